"""Speed of exported files under onnxruntime beside the prepared network in PyTorch, in turns.

    python benchmarks/export_speed.py --detector work_dirs/quickstart

Each runs in a process of its own, from images of 8 bits to what is found, with the same number of threads, and they
alternate. Classifiers have random weights, images of 224 x 224 and no resizing; the detector is a work folder, whose
validation images go through its whole test pipeline. Writes benchmarks/export/speed.json and speed.md, which
`python tools/benchmark.py --results benchmarks` puts into RESULTS.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shlex
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLASSIFIERS = {
    'SDA-ResNet-86': 'sda/sda-resnet86_4xb64_in1k.py',
    'EPSANet-50': 'epsanet/epsanet50_8xb32_in1k.py',
    'MSPANet-B-50': 'mspanet/mspanet-b50_4xb64_in1k.py',
    'EMA-ResNet-50': 'ema/ema-resnet50_4xb64_in1k.py',
    'ResNet-50': 'sda/resnet50_4xb64_in1k.py',
}
BATCHES = (1, 8)
SIDE = 224


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument('--detector', type=Path, metavar='DIR', help='work folder of a detector')
    parser.add_argument('--threads', type=int, default=2, help='threads of each process (default: 2)')
    parser.add_argument('--rounds', type=int, default=7, help='turns of each (default: 7)')
    parser.add_argument('--only', nargs='+', metavar='NAME', help='only these networks')
    parser.add_argument('--out', type=Path, default=ROOT / 'benchmarks' / 'export', metavar='DIR')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, config in CLASSIFIERS.items():
            if not args.only or name in args.only:
                checkpoint = Path(folder) / 'weights.pth'
                _save_random(config, checkpoint)
                path = Path(folder) / 'network.onnx'
                _export(ROOT / 'configs' / config, checkpoint, path, resized=False)
                for batch in BATCHES:
                    rows.append(_measure(name, ROOT / 'configs' / config, checkpoint, path, batch, args))
                    print(_line(rows[-1]), flush=True)
        if args.detector and (not args.only or 'detector' in args.only):
            from mmattn.analysis.runs.model import find_model

            cfg, checkpoint, _ = find_model(str(args.detector))
            path = Path(folder) / 'detector.onnx'
            _export(Path(cfg.filename), Path(checkpoint), path, resized=True)
            name = f'{cfg.model.type} of {args.detector.name}'
            rows.append(_measure(name, Path(cfg.filename), Path(checkpoint), path, 0, args))
            print(_line(rows[-1]), flush=True)
    _write(rows, args)


def _save_random(config: str, path: Path) -> None:
    import torch
    from mmengine.registry import MODELS, init_default_scope

    from mmattn.analysis.benchmark.random_weights import randomise
    from mmattn.engine import launch
    from mmattn.engine.quiet import quiet
    from mmattn.engine.scope import scope_of

    cfg = launch.load_config(ROOT / 'configs' / config)
    launch.register_modules(cfg)
    init_default_scope(scope_of(cfg))
    with quiet():
        model = MODELS.build(cfg.model)
    randomise(model)
    torch.save(dict(state_dict=model.state_dict()), path)


def _export(config: Path, checkpoint: Path, path: Path, resized: bool) -> None:
    import onnx

    from mmattn.engine import launch
    from mmattn.engine.trained import load_trained
    from mmattn.export.onnx_file import onnx_model
    from mmattn.export.parts import parts_of

    cfg = launch.load_config(config)
    onnx.save(onnx_model(parts_of(cfg, load_trained(cfg, checkpoint), checkpoint, resized)), path)


def _measure(name: str, config: Path, checkpoint: Path, path: Path, batch: int, args: argparse.Namespace) -> dict:
    """Milliseconds of passes, of PyTorch and of the file, round by round."""
    jobs = {'torch': _torch, 'onnxruntime': _onnxruntime}
    context = multiprocessing.get_context('spawn')
    ends: dict[str, Connection] = {}
    processes = []
    for kind, function in jobs.items():
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, function, config, checkpoint, path, batch, args.threads))
        process.start()
        processes.append(process)
        ends[kind] = here
    try:
        counts = {}
        for kind, end in ends.items():
            slowest = _ask(end, 2)[-1]
            counts[kind] = max(3, round(1.0 / slowest))
        rounds: dict[str, list[list[float]]] = {kind: [] for kind in ends}
        for number in range(args.rounds):
            for kind in list(ends) if number % 2 == 0 else list(ends)[::-1]:
                time.sleep(0.2)  # until the threads of the other have come to rest
                rounds[kind].append(_ask(ends[kind], counts[kind]))
    finally:
        for end in ends.values():
            end.send(None)
        for process in processes:
            process.join()
    images = max(batch, 1)
    medians = {kind: [statistics.median(values) for values in found] for kind, found in rounds.items()}
    ratios = [theirs / ours for theirs, ours in zip(medians['torch'], medians['onnxruntime'], strict=True)]
    row = dict(name=name, batch=images, ratio=statistics.median(ratios), least=min(ratios), most=max(ratios))
    for kind, found in rounds.items():
        every = sorted(value for values in found for value in values)
        row[kind] = dict(
            images_per_second=images / statistics.median(every),
            p50_ms=1e3 * statistics.median(every),
            p90_ms=1e3 * every[int(0.9 * (len(every) - 1))],
        )
    return row


def _ask(end: Connection, passes: int) -> list[float]:
    end.send(passes)
    answer = end.recv()
    if isinstance(answer, str):
        raise SystemExit(f'error: {answer}')
    return answer


def _serve(end: Connection, function, config: Path, checkpoint: Path, path: Path, batch: int, threads: int) -> None:
    try:
        os.environ['OMP_NUM_THREADS'] = str(threads)
        run = function(config, checkpoint, path, batch, threads)
        while (passes := end.recv()) is not None:
            seconds = []
            for _ in range(passes):
                start = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - start)
            end.send(seconds)
    except Exception as error:  # noqa: BLE001  to be said by the process that asked
        end.send(f'{type(error).__name__}: {error}')


def _images(config: Path, batch: int) -> list:
    import numpy as np

    if batch:
        return [np.random.default_rng(0).integers(0, 256, (batch, SIDE, SIDE, 3), dtype=np.uint8)]
    from mmattn.analysis.evaluation.checkpoint_predictions import images_to_predict
    from mmattn.engine import launch
    from mmattn.export.runner import read

    dataset = images_to_predict(launch.load_config(config), one_by_one=True).dataset
    return [read(dataset.get_data_info(index)['img_path'])[None] for index in range(min(8, len(dataset)))]


def _torch(config: Path, checkpoint: Path, path: Path, batch: int, threads: int):
    import itertools

    import torch

    from mmattn.engine import launch
    from mmattn.engine.process import keep_freed_memory
    from mmattn.engine.trained import load_trained
    from mmattn.export.verify.reference import Reference

    torch.set_num_threads(threads)
    keep_freed_memory()
    cfg = launch.load_config(config)
    reference = Reference(cfg, load_trained(cfg, checkpoint, prepared=True).model, resized=not batch)
    images = itertools.cycle(_images(config, batch))
    if batch:
        return lambda: reference.logits(list(next(images)))
    return lambda: reference.objects(next(images)[0])


def _onnxruntime(config: Path, checkpoint: Path, path: Path, batch: int, threads: int):
    import itertools

    from mmattn.export.runner import Exported

    images = itertools.cycle(_images(config, batch))
    exported = Exported(path, threads)
    return lambda: exported.run(next(images))


def _line(row: dict) -> str:
    torch, file = row['torch'], row['onnxruntime']
    return (
        f'{row["name"]}, batch {row["batch"]}: {torch["images_per_second"]:.2f} -> {file["images_per_second"]:.2f} '
        f'images/s, {row["ratio"]:.2f} times ({row["least"]:.2f} to {row["most"]:.2f})'
    )


def _write(rows: list[dict], args: argparse.Namespace) -> None:
    import onnxruntime

    from mmattn.analysis.benchmark.machine import describe_machine, describe_versions
    from mmattn.analysis.benchmark.printing import markdown_table
    from mmattn.files import write_json, write_text

    machine, versions = describe_machine('cpu'), describe_versions() | dict(onnxruntime=onnxruntime.__version__)
    write_json(dict(machine=machine, versions=versions, threads=args.threads, rows=rows), args.out / 'speed.json')
    table = []
    for row in rows:
        torch, file = row['torch'], row['onnxruntime']
        table.append(
            (
                row['name'],
                row['batch'],
                *(f'{one["images_per_second"]:.2f}' for one in (torch, file)),
                *(f'{one["p50_ms"]:.0f} / {one["p90_ms"]:.0f}' for one in (torch, file)),
                f'{row["ratio"]:.2f} ({row["least"]:.2f} to {row["most"]:.2f})',
            )
        )
    header = ('network', 'batch', 'PyTorch, images/s', 'file, images/s', 'PyTorch, p50 / p90 ms', 'file, p50 / p90 ms')
    command = shlex.join(['python', 'benchmarks/export_speed.py', *sys.argv[1:]])
    text = (
        f'## Exported files\n\nOf `{command}`: the prepared '
        f'network in PyTorch {versions["torch"]} and its file under onnxruntime {versions["onnxruntime"]}, '
        f'{args.threads} threads each on {machine["cpu"]}, in turns; from images of 8 bits to what is found.\n\n'
        + markdown_table((*header, 'times as fast'), table)
    )
    write_text(text + '\n', args.out / 'speed.md')
    print(f'written to {args.out}: speed.json, speed.md')


if __name__ == '__main__':
    main()
