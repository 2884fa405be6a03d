"""What states a version states the same one, and the papers of the citation are those of the configs."""

import re
from pathlib import Path

import yaml

import mmattn

ROOT = Path(__file__).resolve().parents[1]


def citation() -> dict:
    return yaml.safe_load((ROOT / 'CITATION.cff').read_text('utf-8'))


def test_version_is_the_same_in_the_package_changelog_and_citation():
    version, date = re.search(r'^## (\S+), (\S+)$', (ROOT / 'CHANGELOG.md').read_text('utf-8'), re.MULTILINE).groups()
    assert version == mmattn.__version__ == str(citation()['version'])
    assert date == str(citation()['date-released'])


def test_citation_names_the_papers_of_the_metafiles():
    papers = [yaml.safe_load(path.read_text('utf-8'))['Collections'][0] for path in ROOT.glob('configs/*/metafile.yml')]
    cited = {paper['title'] for paper in citation()['references']}
    assert cited == {paper['Paper']['Title'] for paper in papers if 'Paper' in paper}


def test_hooks_before_a_commit_are_what_the_tests_enforce():
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text('utf-8'))['repos'][0]['hooks']
    enforced = (ROOT / 'tools/run_tests.sh').read_text('utf-8')
    assert [hook['entry'].split()[:2] for hook in hooks] == [['ruff', 'check'], ['ruff', 'format']]
    assert 'ruff check' in enforced and 'ruff format --check' in enforced
