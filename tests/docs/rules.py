"""How the tests shorten what a page says, where running it as it stands would take minutes or change the machine.

A rule is a regular expression for a command (or for the whole text of a block of Python), what replaces each match, and
why. Rules apply one after the other; what none of them matches runs as it stands. A rule that nothing on any page needs
fails a test, so that this table is all that is not tested as printed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from things import TWO_IMAGES, TWO_ITERATIONS, TWO_STEPS

# In place of a replacement: the command is parsed, and not run.
PARSED = None


@dataclass(frozen=True)
class Rule:
    """How one kind of command is shortened.

    Attributes:
        pattern: Regular expression, searched in a command, or in a block of Python.
        replacement: Replacement as of `re.sub`; PARSED: the command does not run.
        why: Why it does not run as it stands.
    """

    pattern: str
    replacement: str | None
    why: str

    def apply(self, text: str) -> str | None:
        """The text with the replacement in it; None if it does not run."""
        if not re.search(self.pattern, text):
            return text
        return None if self.replacement is PARSED else re.sub(self.pattern, self.replacement, text)


QUICKSTART, TRAINED = 'configs/demo/mask_rcnn_sda_nuclei.py', 'work_dirs/quickstart/epoch_9.pth'
# A config whose images are of COCO's size, with other images in the tests.
LARGE = r'(?!CONFIG|configs/demo/\w*nuclei|configs/nothing|work_dirs)\S+'
RULES = [
    Rule(r'^pip install ', PARSED, 'would change the environment of the tests; tests/test_package.py installs'),
    Rule(r'^source .*/activate$', PARSED, 'the tests run in the environment'),
    Rule(r'^python -m pytest ', PARSED, 'runs in this suite'),
    Rule(r'\bbash tools/(quickstart|setup_env|run_tests)\.sh', PARSED, 'takes minutes; CI begins with run_tests.sh'),
    Rule(r'^mmattn convert ', PARSED, 'needs a file of the authors; tests/tools/test_convert_tool.py converts'),
    Rule(
        r'^mmattn export work_dirs/',
        PARSED,
        'takes half a minute; things.py makes nuclei.onnx by it, and tests/export has the other kinds of file',
    ),
    Rule(r'^(mkdir -p checkpoints|cp work_dirs/)', PARSED, 'needs a training on ImageNet'),
    Rule(
        r'^(bash tools/dist_train\.sh|mmattn train) configs/(?!demo/)\w+/',
        PARSED,
        'needs ImageNet or its weights; tests/test_configs.py reads each config and builds its network',
    ),
    Rule(
        r'^(bash tools/dist_train\.sh|mmattn train|mmattn test) configs/deeplabv3plus_',
        PARSED,
        'needs ADE20K and weights of ImageNet; tests/test_configs.py builds and runs each network',
    ),
    Rule(r'^mmattn benchmark --suite ', PARSED, "needs the repositories of the papers' authors, and an hour"),
    Rule(
        r'^(python benchmarks/identity_start\.py .*)$',
        r'\1 --epochs 1 --finetune 1 --seeds 1',
        'one epoch of each network',
    ),
    Rule(
        r'^(mmattn benchmark .*)$',
        r'\1 --batch 1 --size 32 --repeats 1 --warmup 1 --memory none',
        'the figures are not looked at',
    ),
    Rule(
        r'^((?:\w+=\S+ )*)bash tools/dist_train\.sh (\S+) \d',
        r'mmattn train \2',
        'it checks the run in one process first; tests/tools and tests/reliability start several',
    ),
    Rule(r'^(mmattn train .*) --gpus \d', r'\1', 'as dist_train.sh'),
    Rule(
        r'^bash tools/dist_test\.sh \S+ CHECKPOINT \d',
        rf'mmattn test {QUICKSTART} {TRAINED} --cfg-options {TWO_IMAGES}',
        'as dist_train.sh; nothing here has trained the config',
    ),
    Rule(r'^.*\bbash tools/slurm_train\.sh .*$', 'bash tools/slurm_train.sh --help', 'there is no Slurm here'),
    Rule(
        rf'^(mmattn train {LARGE}(?!.*--check).*)$',
        r'\1 --check',
        'one iteration and one evaluation of a network of full width, in place of twelve epochs',
    ),
    Rule(
        rf'^(mmattn train {LARGE}.*)$',
        r'\1 --cfg-options model.backbone.depth=None model.backbone.stage_blocks=(1,1,1,1) '
        'train_dataloader.dataset.pipeline.2.scale=(64,64) val_dataloader.dataset.pipeline.1.scale=(64,64)',
        'small images and one block in each stage are as good for a check',
    ),
    Rule(
        r'^(mmattn train configs/demo/deeplabv3plus_sda_nuclei\.py.*)$',
        rf'\1 --cfg-options {TWO_STEPS}',
        'two iterations in place of 250',
    ),
    Rule(
        r'^(mmattn test configs/demo/deeplabv3plus_sda_nuclei\.py .*)$',
        r'\1 --cfg-options test_dataloader.dataset.indices=2',
        'two of nine images',
    ),
    Rule(r'^(mmattn train CONFIG.*) --amp$', r'\1 --check', 'needs a GPU, and says so in a line'),
    Rule(
        r'^(mmattn train CONFIG(?!.*--check)(?: \S+)*?)(?: --cfg-options (.*))?$',
        rf'\1 --cfg-options {TWO_ITERATIONS} train_cfg.max_epochs=1 \2',
        'two iterations in place of nine epochs',
    ),
    Rule(r'^(mmattn test CONFIG .*)$', rf'\1 --cfg-options {TWO_IMAGES}', 'two of nine images'),
    Rule(r'^(mmattn report CONFIG .*)$', r'\1 --cfg-options val_dataloader.dataset.indices=2', 'two of nine images'),
    Rule(
        r'^(mmattn predict .*)demo/nuclei_mini/images\b',
        r"\1'demo/nuclei_mini/images/00*.png'",
        'two of forty images',
    ),
    Rule(r'^(mmattn visualize .*--dataset)\b', r'\1 2', 'two of 31 images'),
    Rule(r'^(mmattn visualize .*?)(?= --out)', r'\1 --max-images 1 --top 1 --method gradcam', 'one picture'),
    Rule(r'^(mmattn fit .*) --minutes \d+', r'\1', 'an hour; one epoch is enough'),
    Rule(r'^(mmattn fit .*)$', r'\1 --epochs 1 --image-size 64', 'one epoch on small images'),
    Rule(r'\bCONFIG\b', QUICKSTART, 'a name for any config'),
    Rule(r'\bCHECKPOINT\b', TRAINED, 'a name for any checkpoint of it'),
]


def shortened(text: str) -> str | None:
    """A command, or a block of Python, as the tests run it; None if they do not."""
    for rule in RULES:
        text = rule.apply(text)
        if text is None:
            return None
    return text
