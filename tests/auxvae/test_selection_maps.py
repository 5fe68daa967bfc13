"""Maps of what was chosen among: every value in its cell, the chosen one framed, a cell without a number hatched."""

import itertools

import matplotlib.colors
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from auxvae.report.selection_maps import FRAME, Grid, selection_figure

AXES = {"kl": [1.0, 4.0], "explicitness": [500.0, 2000.0, 8000.0], "inter": [0.0, 10.0, 100.0]}


def choice_over(axes, chosen=4, failed=()):
    """A choice whose value at a cell is its number in the order of the grid, plus one."""
    candidates = [
        {
            "weights": {"reconstruction": 1.0, **dict(zip(axes, values, strict=True))},
            "value": None if i in failed else i + 1.0,
            "means": {"mse": None if i in failed else 10.0 * (i + 1)},
            "chosen": i == chosen,
        }
        for i, values in enumerate(itertools.product(*axes.values()))
    ]
    return {"method": "aux_vae", "label": "penalised", "coverage": "two", "rule": "mse_lds", "candidates": candidates}


@pytest.mark.parametrize("names", [["kl"], ["kl", "inter"], ["kl", "explicitness", "inter"]])
def test_every_value_stands_at_its_weights(names):
    axes = {name: AXES[name] for name in names}
    choice = choice_over(axes, chosen=1)
    grid, seen = Grid(choice), 0
    y, x = grid.plane
    for panel in grid.panels():
        for (row, column), value in np.ndenumerate(grid.values("mse_lds", panel)):
            weights = {**panel, x: axes[x][column], **({y: axes[y][row]} if y else {})}
            [there] = [each for each in choice["candidates"] if weights.items() <= each["weights"].items()]
            assert value == there["value"] and grid.values("mse", panel)[row, column] == there["means"]["mse"]
            assert (grid.chosen(panel) == (row, column)) is there["chosen"]
            seen += 1
    assert seen == len(choice["candidates"])


def test_the_figure_frames_the_chosen_cell_and_hatches_those_without_a_number():
    choice = choice_over(AXES, chosen=10, failed=(2, 3))
    figure = selection_figure([choice])
    patches = [patch for ax in figure.findobj(plt.Axes) for patch in ax.patches if isinstance(patch, Rectangle)]
    framed = [each for each in patches if each.get_edgecolor() == matplotlib.colors.to_rgba(FRAME)]
    assert len(framed) == 2 and sum(bool(each.get_hatch()) for each in patches) == 4  # of the rule and of the MSE
    panels = [ax for ax in figure.findobj(plt.Axes) if ax.get_xlabel()]
    assert [ax.get_title() for ax in panels] == ["kl 1", "kl 4"] * 2
    assert {(ax.get_ylabel(), ax.get_xlabel()) for ax in panels} == {("weight of explicitness", "weight of inter")}
    texts = sorted(int(float(text.get_text())) for ax in panels[:2] for text in ax.texts)
    assert texts == [number for number in range(1, 19) if number not in (3, 4)]
    plt.close(figure)


def test_choices_of_one_weight_and_a_study_of_none_are_drawn():
    one, mostly_failed = choice_over({"kl": AXES["kl"]}, 0), choice_over(AXES, 0, range(1, 18))
    figure = selection_figure([one, mostly_failed])
    drawn = [text.get_text() for ax in figure.findobj(plt.Axes) for text in ax.texts]
    assert len(drawn) == 2 * (len(one["candidates"]) + 1)  # the rule and the MSE of every setting with a number
    nothing = selection_figure([])
    assert [bool(ax.texts) for ax in nothing.axes] == [True] and not nothing.axes[0].patches
    plt.close("all")


def test_groups_of_one_method_are_told_apart_by_their_labels():
    figure = selection_figure([choice_over({"kl": AXES["kl"]}, 0) | {"label": label} for label in ("k1", "k2", "")])
    titles = [each.get_suptitle() for each in figure.subfigs]
    plt.close(figure)
    assert titles == ["aux_vae two k1", "aux_vae two k2", "aux_vae two"]
