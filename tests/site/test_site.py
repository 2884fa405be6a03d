"""The pages of the site are gathered with links that lead somewhere, and what was built is checked."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'docs/site'))
    yield
    for name in ('assemble', 'check'):
        sys.modules.pop(name, None)


@pytest.fixture
def repository(tmp_path):
    """Writes files of a repository; the folder of the pages that are gathered from it, and the faults found."""

    def gather(files):
        from assemble import Site

        for name, text in files.items():
            path = tmp_path / 'repository' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        site = Site(tmp_path / 'repository', tmp_path / 'pages')
        site.write()
        return site.folder, site.faults

    return gather


@pytest.mark.parametrize(
    'written, expected',
    [
        ('[Security](../../SECURITY.md#limits)', '[Security](../security.md#limits)'),
        ('see [the\nother](other.md)', 'see [the\nother](other.md)'),
        ('[the tables](../../configs/sda/README.md)', '[the tables](../papers/sda.md)'),
        ('[start](../../README.md)', '[start](../index.md)'),
        ('[sda86](../../configs/sda/sda86.py)', '`sda86`'),
        ('[`sda86`](../../configs/sda/sda86.py)', '`sda86`'),
        ('[its config](../../configs/sda/sda86.py)', 'its config (`configs/sda/sda86.py`)'),
        ('![AP](../../benchmarks/ap.png)', '![AP](../benchmarks/ap.png)'),
        ('[paper](https://arxiv.org/abs/1) [up](#top)', '[paper](https://arxiv.org/abs/1) [up](#top)'),
        ('`[a](b.md)`', '`[a](b.md)`'),
        ('```python\nx[0](y)\n```', '```python\nx[0](y)\n```'),
    ],
)
def test_link_of_a_page_leads_to_the_same_on_the_site(repository, written, expected):
    pages, faults = repository(
        {
            'docs/index.md': '',
            'docs/tutorials/page.md': written,
            'docs/tutorials/other.md': '',
            'README.md': '',
            'SECURITY.md': '',
            'configs/sda/README.md': '',
            'configs/sda/sda86.py': '',
            'benchmarks/ap.png': '',
        }
    )
    assert not faults
    assert (pages / 'tutorials/page.md').read_text() == expected
    assert (pages / 'benchmarks/ap.png').exists() == ('ap.png' in written)


def test_link_to_a_missing_file_is_a_fault(repository):
    assert repository({'docs/index.md': 'a [b](gone.md)'})[1] == ['docs/index.md: there is no gone.md']


def test_public_name_that_the_reference_lacks_is_a_fault(tmp_path):
    from assemble import undocumented

    (tmp_path / 'mmattn').mkdir()
    (tmp_path / 'mmattn/__init__.py').write_text("__all__ = ['EMA', 'SE', 'SDA']")
    (tmp_path / 'docs/api').mkdir(parents=True)
    (tmp_path / 'docs/api/attention.md').write_text(
        '::: mmattn.SE\n\n::: mmattn.SE\n\n::: mmattn.EMA\n\n::: mmattn.Gone\n'
    )
    assert undocumented(tmp_path) == [
        'docs/api: mmattn.Gone is no public name',
        'docs/api: mmattn.SDA is there 0 times, not once',
        'docs/api: mmattn.SE is there 2 times, not once',
    ]


def test_navigation_and_pages_that_differ_are_faults(tmp_path):
    from assemble import unlisted

    (tmp_path / 'docs').mkdir()
    for name in ('docs/index.md', 'docs/new.md', 'SECURITY.md'):
        (tmp_path / name).write_text('')
    (tmp_path / 'zensical.toml').write_text('nav = [{ "Home" = "index.md" }, { "Old" = "old.md" }, "security.md"]')
    assert unlisted(tmp_path) == ['zensical.toml: nav lacks new.md', 'zensical.toml: old.md of nav is no page']


def test_reference_has_every_public_name():
    from assemble import undocumented

    assert undocumented(ROOT) == []


@pytest.mark.parametrize(
    'element, fault',
    [
        ('<a href="other.html#here">', None),
        ('<a href="https://arxiv.org/abs/1">', None),
        ('<link rel="canonical" href="https://example.org/">', None),
        ('<img src="data:image/png;base64,AAAA">', None),
        ('<a href="gone.html">', 'there is no gone.html'),
        ('<a href="other.html#there">', 'there is no anchor other.html#there'),
        ('<img src="gone.png">', 'there is no gone.png'),
        ('<script src="https://example.org/x.js"></script>', 'loads https://example.org/x.js'),
        ('<link rel="stylesheet" href="//example.org/x.css">', 'loads //example.org/x.css'),
        ('<autoref identifier="mmattn.Gone">', 'no mmattn.Gone for a reference'),
    ],
)
def test_what_a_built_page_names_is_there(tmp_path, element, fault):
    from check import faults

    (tmp_path / 'page.html').write_text(f'<p>{element}</p>')
    (tmp_path / 'other.html').write_text('<h1 id="here">Other</h1>')
    assert faults(tmp_path) == ([] if fault is None else [f'page.html: {fault}'])


def test_site_without_pages_is_a_fault(tmp_path):
    from check import faults

    assert faults(tmp_path) == [f'{tmp_path} has no page']
