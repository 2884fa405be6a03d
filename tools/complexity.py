"""Counts the parameters and MACs (papers call them FLOPs) of the network that a config describes."""

import argparse
import json
import os
import sys

from _imports import needed

with needed():
    from mmattn.analysis.complexity import (
        RULE,
        Attachable,
        Complexity,
        PageTable,
        attachable,
        make_tables,
        measure,
        read_metafiles,
    )
    from mmattn.commands import command
    from mmattn.engine.arguments import ArgumentParser, config, positive
    from mmattn.engine.progress import progress
    from mmattn.errors import UserError, explained
    from mmattn.shipped import ROOT

EPILOG = f"""Counting rule: {RULE}.

Nothing is computed: no weights are made or read, and a detector takes seconds.
Exit status: 0; 1 if --check finds a table that differs; 2 if something cannot be counted."""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__, epilog=EPILOG, formatter_class=argparse.HelpFormatter)
    parser.add_argument('config', nargs='?', type=config, metavar='CONFIG', help='a classifier, detector or segmentor')
    parser.add_argument(
        '--shape',
        nargs=2,
        type=positive,
        metavar=('H', 'W'),
        help='size of the image; by default 800 1280 for detectors, the crop of the training for segmentors, for '
        "classifiers that of the config's test pipeline",
    )
    parser.add_argument('--stages', action='store_true', help="the backbone's stages too")
    parser.add_argument(
        '--modules',
        action='store_true',
        help='instead: the modules of the backbone, and of the decode head of a segmentor, behind which '
        'mmattn.AttentionOn can put attention',
    )
    parser.add_argument('--json', action='store_true', help='print JSON, stages included')
    parser.add_argument(
        '--tables',
        action='store_true',
        help='in place of CONFIG: what the papers print beside what is counted, for all configs/*/metafile.yml',
    )
    then = parser.add_mutually_exclusive_group()
    then.add_argument(
        '--write', action='store_true', help='with --tables: put them into their pages (README.md, docs/networks.md)'
    )
    then.add_argument(
        '--check',
        action='store_true',
        help='with --tables: are they there as they should be, with a note wherever a figure differs?',
    )
    args = parser.parse_args(argv)
    if args.tables == (args.config is not None):
        parser.error('give a CONFIG, or --tables')
    if (args.write or args.check) and not args.tables:
        parser.error('--write and --check go with --tables')
    if args.tables and (args.shape or args.stages or args.modules or args.json):
        parser.error('--shape, --stages, --modules and --json go with a CONFIG')
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.tables:
            with explained('the tables cannot be made'):
                return run_tables(args)
        if args.modules:
            with explained(f'the modules of {args.config} cannot be listed'):
                print(list_modules(attachable(args.config, args.shape), args.json))
            return 0
        size = measure(args.config, args.shape)
        print(json.dumps(size.as_dict(), indent=2) if args.json else as_text(size, args.stages))
    except UserError as e:
        if os.environ.get('MMATTN_DEBUG') == '1':
            raise
        print(f'error: {e}', file=sys.stderr)
        return 2
    return 0


def as_text(size: Complexity, stages: bool) -> str:
    width = max(len(part.name) for part in (*size.parts, *size.stages)) + 2
    lines = [
        f'{size.config}: {size.network} at {size.shape[0]} x {size.shape[1]}',
        f'{"":{width}}{"parameters":>14}{"trainable":>14}{"MACs":>20}',
    ]

    def add(name: str, parameters: int, trainable: int | str, multiply_adds: int) -> None:
        trainable = trainable if isinstance(trainable, str) else f'{trainable:,}'
        lines.append(f'{name:{width}}{parameters:>14,}{trainable:>14}{multiply_adds:>20,}')

    add('all', size.parameters, size.trainable, size.multiply_adds)
    for part in size.parts:
        add(part.name, part.parameters, part.trainable, part.multiply_adds)
        if part.name == 'backbone' and stages:
            for stage in size.stages:
                add(f'  {stage.name}', stage.parameters, stage.trainable, stage.multiply_adds)
    if size.slots:
        lines.append('over the same trunk with the slot empty (spatial: with a plain 3x3 convolution)')
        for slot in size.slots:
            add(slot.slot, slot.parameters, '', slot.multiply_adds)
            lines[-1] += f'  {slot.modules}'
    if size.uncounted:
        parts = ', '.join(f'{part.name} ({part.parameters:,} parameters)' for part in size.uncounted)
        lines.append(f'Not in the MACs, as a forward pass for this computes nothing with it: {parts}.')
    return '\n'.join([*lines, f'Counted: {RULE}.'])


def list_modules(modules: list[Attachable], as_json: bool) -> str:
    if as_json:
        return json.dumps([vars(module) for module in modules], indent=2)
    width = max((len(module.name) for module in modules), default=0) + 2
    lines = []
    for number, module in enumerate(modules):
        if number == 0 or module.part != modules[number - 1].part:
            title = 'at=' if module.part == 'backbone' else f'at= ({module.part})'
            lines.append(f'{title:{width}}{"(C, H, W) of one image":26}type')
        shapes = ', '.join(str(shape[1:]) for shape in module.shapes)
        lines.append(f'{module.name:{width}}{shapes:26}{module.type}')
    return '\n'.join(lines)


def run_tables(args: argparse.Namespace) -> int:
    rows = read_metafiles(ROOT)
    if not rows:
        raise UserError(f'no metafile.yml in the folders of {ROOT / "configs"}')
    tables = make_tables(rows, lambda configs: progress(configs, 'counting'))
    if args.write:
        for table in tables:
            table.write()
            print(f'wrote the table {table.name} of {table.page.relative_to(ROOT)}')
    elif not args.check:
        print('\n\n'.join(f'# {table.page.relative_to(ROOT)}: {table.name}\n\n{table.text}' for table in tables))
    problems = find_problems(tables, outdated=args.check)
    print(*problems, sep='\n', end='\n' if problems else '', file=sys.stderr)
    return 1 if args.check and problems else 0


def find_problems(tables: list[PageTable], outdated: bool) -> list[str]:
    problems = [
        f'{table.page.relative_to(ROOT)} is not what the code gives: run {command("complexity")} --tables --write'
        for table in tables
        if outdated and not table.is_current()
    ]
    return problems + [
        f'{table.page.with_name("metafile.yml").relative_to(ROOT)}: {name} differs from what is published without a '
        'Note'
        for table in tables
        for name in table.unexplained
    ]


if __name__ == '__main__':
    sys.exit(main())
