"""What is said where the weights that a config begins with are not there."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config

import mmattn  # noqa: F401  before mmdet
from mmattn.engine.preflight import check_weights
from mmattn.errors import UserError
from mmattn.shipped import CONFIGS, ROOT

pytest.importorskip('mmdet')


def message(cfg: Config) -> str:
    with pytest.raises(UserError) as refused:
        check_weights(cfg, training=True)
    return str(refused.value)


@pytest.mark.parametrize('name', ['mask_rcnn_sda', 'faster_rcnn_ema', 'faster_rcnn_mspa', 'mask_rcnn_spem'])
def test_a_config_of_ours_offers_one_that_runs_and_the_one_that_trains_the_weights(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    text = message(cfg)
    runs, trains = re.findall(r'configs/\S+\.py', text)
    assert runs == 'configs/mask_rcnn_sda_r50.py' and 'model.backbone.init_cfg=None' in text
    wanted, trained = (config.model.backbone for config in (cfg, Config.fromfile(ROOT / trains)))
    network = [key for key in ('type', 'depth', 'size', 'spatial', 'attn', 'depth_attn') if key in wanted]
    assert {key: wanted[key] for key in network} == {key: trained[key] for key in network}
    check_weights(Config.fromfile(ROOT / runs), training=True)  # needs no file


def test_a_config_of_others_is_offered_random_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = message(
        Config(dict(model=dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=str(Path('lost.pth')))))))
    )
    assert text.startswith("no checkpoint at 'lost.pth' for model.backbone.init_cfg; put one there, or name another")
    assert '.py' not in text
