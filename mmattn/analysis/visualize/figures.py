"""Pictures of one network: heat maps over images, and charts of attention weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmattn.analysis.charts import COLORS, RULE, TEXT, new_figure, style
from mmattn.analysis.extras import require
from mmattn.engine.drawn_text import drawable, families_for

from .attention import Reading
from .cam import Explanation
from .sizes import SIZES, StageBySize

PANEL = 2.6  # inches
TITLE = 36  # letters over a panel
SIZE_COLORS = COLORS[:3]


@style()
def draw_cam(image: Image.Image, explanations: Sequence[Explanation]):
    """A figure with a row for each explained output: the image with its boxes or outline, then each method's heat map.

    Args:
        image: RGB image as the network sees it.
        explanations: Explained outputs, at least one.
    """
    methods = list(explanations[0].heat)
    width, height = _panel_size(image)
    figure = new_figure((len(methods) + 1) * (width + 0.1) + 0.8, len(explanations) * (height + 0.35))
    axes = figure.subplots(len(explanations), len(methods) + 1, squeeze=False)
    backdrop = _backdrop(image)
    for row, explanation in zip(axes, explanations, strict=True):
        row[0].imshow(image)
        families = families_for(explanation.title)
        row[0].set_title(drawable(explanation.title, families, TITLE), fontsize=10, family=families)
        for column, method in zip(row[1:], methods, strict=True):
            heat = explanation.heat[method]
            # little colour where there is little to show, so that the image stays visible
            _overlay(column, backdrop, heat, image.size, 0, 1, np.clip(1.5 * heat, 0, 0.7))
            column.set_title(method if heat.any() else f'{method}: nothing speaks for it', fontsize=10)
        for column in row:
            _draw_boxes(column, explanation.boxes)
            _draw_region(column, explanation.region)
            _frame(column, image)
    _colour_bar(figure, axes, 'importance (1: the most)', 0, 1)
    return figure


@style()
def draw_maps(image: Image.Image, readings: Sequence[Reading], padded: tuple[int, int]):
    """A figure with a panel for each module: its weight at each position, averaged over groups, over the image.

    Each panel has the whole colour scale for itself, as the weights of different blocks differ more than those of
    different positions; its range is in its title.

    Args:
        image: RGB image as the network sees it.
        readings: Weights of the positions, (K, H, W) each.
        padded: Width and height of the network's input with padding, in pixels, which the weights cover.
    """
    columns = min(len(readings), 4 if len(readings) <= 8 else 6)
    rows = math.ceil(len(readings) / columns)
    width, height = _panel_size(image)
    figure = new_figure(columns * (width + 0.1) + 0.8, rows * (height + 0.5))
    axes = figure.subplots(rows, columns, squeeze=False)
    backdrop = _backdrop(image)
    for axis in axes.flat[len(readings) :]:
        axis.axis('off')
    for axis, reading in zip(axes.flat, readings):
        weights = reading.weights.mean(0).numpy()
        low, high = float(weights.min()), float(weights.max())
        _overlay(axis, backdrop, weights, padded, low, high, 0.55)
        _frame(axis, image)
        gate = '' if reading.gate is None else f', gate {reading.gate:.2f}'
        axis.set_title(
            f'{reading.name}: {reading.module}{gate}\n{low:.3f} to {high:.3f}, {weights.shape[1]} x {weights.shape[0]}',
            fontsize=8,
        )
    _colour_bar(figure, axes, 'weight of a position in its panel', 0, 1, ticks=('least', 'largest'))
    return figure


@style()
def draw_depth(readings: Sequence[Reading]):
    """A figure with a column for each stage: the mean weight of each block, and below, each channel's.

    Args:
        readings: Weights of the blocks of each stage, (depth, C) each.
    """
    figure = new_figure(3.2 * len(readings) + 0.8, 5.6)
    axes = figure.subplots(2, len(readings), squeeze=False, height_ratios=(2, 3))
    top = max(float(reading.weights.mean(1).max()) for reading in readings)
    for column, (bars, channels, reading) in enumerate(zip(axes[0], axes[1], readings, strict=True)):
        weights = reading.weights.numpy()
        depth = len(weights)
        blocks = np.arange(1, depth + 1)
        bars.bar(blocks, weights.mean(1), color=COLORS[0])
        bars.axhline(1 / depth, color=TEXT, linestyle='--', linewidth=1)  # all alike
        gate = '' if reading.gate is None else f', gate {reading.gate:.2f}'
        bars.set(title=f'{reading.name}{gate}', xticks=_ticks(depth), ylim=(0, 1.12 * max(top, 1 / depth)))
        if depth <= 8:
            for block, weight in zip(blocks, weights.mean(1), strict=True):
                bars.text(
                    block,
                    0.01 * top,
                    f'{weight:.2f}',
                    ha='center',
                    va='bottom',
                    color='white',
                    fontsize=min(10, 44 / depth),
                )
        order = (weights * blocks[:, None]).sum(0).argsort()
        picture = channels.imshow(
            weights[:, order],
            aspect='auto',
            cmap='viridis',
            vmin=0,
            vmax=1,
            extent=(0, weights.shape[1], depth + 0.5, 0.5),
            interpolation='nearest',
        )
        channels.set(xlabel=f'{weights.shape[1]} channels, sorted by depth', yticks=_ticks(depth))
        if column == 0:
            bars.set_ylabel('mean weight')
            channels.set_ylabel('block')
    figure.colorbar(picture, ax=list(axes[1]), label='weight', aspect=30, pad=0.01)
    return figure


@style()
def draw_branches(readings: Sequence[Reading]):
    """A figure of the mean weight of each branch in every block, with the range of most channels.

    Args:
        readings: Weights of the branches of each block, (branches, c) each.
    """
    groups = list(dict.fromkeys((reading.module, tuple(reading.labels)) for reading in readings))
    figure = new_figure(max(7.0, 0.42 * len(readings) + 2.5), 3.6 * len(groups))
    axes = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    for axis, (module, labels) in zip(axes, groups, strict=True):
        members = [reading for reading in readings if (reading.module, tuple(reading.labels)) == (module, labels)]
        x = np.arange(len(members))
        for branch, label in enumerate(labels):
            weights = [member.weights[branch].numpy() for member in members]
            low, high = (np.array([np.quantile(w, q) for w in weights]) for q in (0.1, 0.9))
            (line,) = axis.plot(x, [w.mean() for w in weights], marker='o', label=label)
            axis.fill_between(x, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
        axis.axhline(1 / len(labels), color=TEXT, linestyle='--', linewidth=1, label='all alike')
        _block_axis(axis, [member.name for member in members])
        axis.set(title=f'{module}: weight of each branch (line: mean; band: 80 % of the channels)', ylabel='weight')
        axis.legend(loc='center left', bbox_to_anchor=(1.0, 0.5))
    return figure


@style()
def draw_pooling(shares: dict[str, float]):
    """A figure of SPEM's share of the maximum over the depth of the network.

    Args:
        shares: Share from 0 to 1 by name of the block.
    """
    figure = new_figure(max(7.0, 0.2 * len(shares) + 2), 3.6)
    axis = figure.subplots()
    axis.plot(range(len(shares)), list(shares.values()), marker='o', color=COLORS[1])
    axis.axhline(0.5, color=TEXT, linestyle='--', linewidth=1)
    _block_axis(axis, list(shares))
    axis.set(title='SPEM: share of the maximum in the pooled value', ylabel='p₀² / (p₀² + p₁²)', ylim=(-0.03, 1.03))
    return figure


@style()
def draw_sizes(stages: Sequence[StageBySize], objects: Sequence[int]):
    """A figure with a column for each stage: weights by object size, and below, the mean depth with its interval.

    Args:
        stages: Weights of the stages by object size.
        objects: Number of small, medium and large objects.
    """
    figure = new_figure(3.4 * len(stages) + 0.8, 5.6)
    labels = [f'{size} ({count})' for size, count in zip(SIZES, objects, strict=True)]
    axes = figure.subplots(2, len(stages), squeeze=False, height_ratios=(3, 2))
    for column, (bars, points, stage) in enumerate(zip(axes[0], axes[1], stages, strict=True)):
        depth = stage.weights.shape[1]
        present = [i for i in range(3) if not np.isnan(stage.mean_depth[i])]
        for place, i in enumerate(present):
            offset = (place - (len(present) - 1) / 2) * 0.8 / len(present)
            bars.bar(
                np.arange(1, depth + 1) + offset,
                stage.weights[i],
                0.8 / len(present),
                color=SIZE_COLORS[i],
                label=labels[i],
            )
            low, high = stage.interval[i]
            points.errorbar(
                [stage.mean_depth[i]],
                [i],
                xerr=[[max(0, stage.mean_depth[i] - low)], [max(0, high - stage.mean_depth[i])]],
                fmt='o',
                color=SIZE_COLORS[i],
                capsize=4,
            )
        bars.axhline(1 / depth, color=TEXT, linestyle='--', linewidth=1)
        bars.set(title=stage.name, xlabel='block', xticks=_ticks(depth))
        points.set(
            xlabel='mean depth (0 first, 1 last block)',
            yticks=range(3),
            ylim=(2.5, -0.5),
            yticklabels=labels if column == 0 else ['', '', ''],
        )
        points.set_title(f'claim: {stage.verdict}', fontsize=10)
        points.locator_params(axis='x', nbins=3)
        points.margins(x=0.15)
        points.grid(axis='x')
        if column == 0:
            bars.set_ylabel('mean weight')
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        title='weights averaged over the objects that are',
        loc='outside upper center',
        ncols=3,
    )
    return figure


def _panel_size(image: Image.Image) -> tuple[float, float]:
    scale = PANEL / max(image.size)
    return image.width * scale, image.height * scale


def _heat_colors():
    """Turbo without its ends, which are nearly black: from blue over green to red."""
    matplotlib = require('matplotlib')
    colors = matplotlib.colormaps['turbo'](np.linspace(0.08, 0.88, 256))
    return require('matplotlib.colors').ListedColormap(colors, 'heat')


def _backdrop(image: Image.Image) -> np.ndarray:
    """An image in greys from 0.35 to 1, (H, W): on black, of which a dark image has much, no colour is seen."""
    grey = np.asarray(image.convert('L'), float)
    return 0.35 + 0.65 * np.clip(grey / max(np.percentile(grey, 99), 32), 0, 1)


def _overlay(
    axis,
    backdrop: np.ndarray,
    heat: np.ndarray,
    size: tuple[int, int],
    low: float,
    high: float,
    opacity: float | np.ndarray,
) -> None:
    """Lays a heat map of any resolution, which covers `size` pixels, over an image that may cover less."""
    axis.imshow(backdrop, cmap='gray', vmin=0, vmax=1)
    axis.imshow(
        heat,
        cmap=_heat_colors(),
        alpha=opacity,
        vmin=low,
        vmax=max(high, low + 1e-6),
        interpolation='bilinear',
        extent=(-0.5, size[0] - 0.5, size[1] - 0.5, -0.5),
    )


def _frame(axis, image: Image.Image) -> None:
    axis.set(xlim=(-0.5, image.width - 0.5), ylim=(image.height - 0.5, -0.5), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def _draw_boxes(axis, boxes: np.ndarray) -> None:
    from matplotlib.patches import Rectangle

    for x1, y1, x2, y2 in boxes:
        for color, width in (('black', 2.6), ('white', 1.2)):  # seen on any ground
            axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, linewidth=width))


def _draw_region(axis, region: np.ndarray | None) -> None:
    if region is None or region.all() or not region.any():
        return
    for color, width in (('black', 1.8), ('white', 0.8)):
        axis.contour(region, levels=[0.5], colors=color, linewidths=width)


def _colour_bar(figure, axes, label: str, low: float, high: float, ticks: Sequence[str] = ()) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(ScalarMappable(Normalize(low, high), _heat_colors()), ax=list(axes.flat), pad=0.01, aspect=30)
    bar.set_label(label, fontsize=9)
    if ticks:
        bar.set_ticks([low, high], labels=list(ticks), fontsize=8)


def _block_axis(axis, names: list[str]) -> None:
    """Names the blocks, or in a deep network some of them, and parts the stages."""
    step = math.ceil(len(names) / 30)
    axis.set_xticks(range(0, len(names), step), names[::step], rotation=60, ha='right', fontsize=8)
    for i, (one, other) in enumerate(zip(names, names[1:])):
        if one.partition('.')[0] != other.partition('.')[0]:
            axis.axvline(i + 0.5, color=RULE, linewidth=1)
    axis.grid(axis='y')


def _ticks(depth: int) -> range:
    return range(1, depth + 1, math.ceil(depth / 12))
