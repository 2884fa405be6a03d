"""Numbers that a model should not get in silence: NaN, infinite, complex and whole ones."""

import logging

import pytest
import torch
from torch import nn

from mmattn.errors import UserError
from mmattn.weights import values
from mmattn.weights.loading import load_weights
from mmattn.weights.pretrained import load_pretrained
from mmattn.weights.values import SWITCH, check_values


class Masked(nn.Module):
    """A network with a buffer that is infinite by itself, as masks are."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(2, 3), nn.BatchNorm1d(3)
        self.register_buffer('mask', torch.tensor([0.0, -torch.inf]))


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(values, '_warn', lines.append)
    return lines


def saved(tmp_path, key, value):
    torch.save({'state_dict': {**Masked().state_dict(), key: value}}, tmp_path / 'x.pth')
    return tmp_path / 'x.pth'


REFUSED = {
    'NaN': ('fc.weight', torch.full((3, 2), torch.nan), 'holds NaN or infinity in fc.weight \\(6 of 6 values\\)'),
    'infinite': ('norm.running_var', torch.tensor([1, torch.inf, 1]), 'norm.running_var \\(1 of 3 values\\)'),
    'half': ('fc.bias', torch.tensor([0, torch.nan, 1]).half(), 'fc.bias'),
    'float8': ('fc.bias', torch.tensor([0, torch.nan, 1]).to(torch.float8_e4m3fn), 'fc.bias'),
    'complex': ('fc.bias', torch.zeros(3, dtype=torch.complex64), 'holds complex numbers in fc.bias'),
    'whole': ('fc.weight', torch.ones(3, 2, dtype=torch.int8), r'whole numbers in fc.weight.*torch.int8, here'),
}


@pytest.mark.parametrize('kind', REFUSED)
def test_what_no_network_can_use_is_refused_in_a_line(tmp_path, said, kind):
    key, value, message = REFUSED[kind]
    try:
        path = saved(tmp_path, key, value)
    except KeyError as error:  # of PyTorch 2.1, which saves no float8
        pytest.skip(str(error))
    for load in (load_weights, lambda model, path: load_pretrained(model, str(path))):
        model = Masked()
        before = {k: v.clone() for k, v in model.state_dict().items()}
        with pytest.raises(UserError, match=message) as error:
            load(model, path)
        assert 'x.pth' in str(error.value) and '\n' not in str(error.value) and len(str(error.value)) <= 300
        assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert not said


def test_nan_is_loaded_with_a_line_where_the_environment_says_so(tmp_path, said, monkeypatch):
    path = saved(tmp_path, 'fc.bias', torch.tensor([0, torch.nan, 1]))
    monkeypatch.setenv(SWITCH, '1')
    model = Masked()
    load_weights(model, path)
    assert model.fc.bias.isnan().sum() == 1
    assert said == [f'{path} holds NaN or infinity in fc.bias (1 of 3 values), and is loaded, as {SWITCH}=1 says']


def test_whole_numbers_in_a_buffer_are_said(tmp_path, said):
    path = saved(tmp_path, 'norm.running_mean', torch.tensor([1, 2, 3]))
    load_weights(Masked(), path)
    assert said == [f'{path} holds whole numbers in norm.running_mean, where the model has real ones']


def test_what_is_infinite_in_the_model_too_and_what_is_not_loaded_is_no_matter(said):
    state = {**Masked().state_dict(), 'other': torch.tensor(torch.nan)}
    check_values(Masked(), state, 'x.pth')
    assert not said


def test_a_line_is_logged_once(caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            values._warn('a line that is said once')
    assert values._warn.cache_info().hits >= 1
