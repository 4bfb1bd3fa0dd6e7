"""Models and settings that earlier versions stored can be read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from estimation.checkpoint import load
from estimation.config import BaselineConfig, read_config
from estimation.config.settings import read_settings
from estimation.exceptions import CheckpointError, ConfigError
from tests.seeds import training_seed

MODELS = Path(__file__).parents[1] / "data" / "saved_models"


@pytest.mark.parametrize("name", ["slowvae", "sparse_vae"])
def test_models_of_format_4_encode_as_they_did(name: str, tmp_path: Path) -> None:
    observations = np.loadtxt(MODELS / "observations.csv", delimiter=",")
    encodings = np.loadtxt(MODELS / f"{name}_encodings.csv", delimiter=",")
    model = load(MODELS / name)
    np.testing.assert_allclose(model.encode(observations), encodings, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / name)
    np.testing.assert_array_equal(load(tmp_path / name).encode(observations), model.encode(observations))


def test_a_model_with_an_unknown_tensor_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODELS / "slowvae", folder)
    manifest = folder / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('"slowvae"', '"vae"'), encoding="utf-8")
    with pytest.raises(CheckpointError, match=re.escape("the tensor 'differences.log_rate' is not one of")):
        load(folder)


@pytest.mark.parametrize(
    ("former", "name", "value"), [("turns", "rotations", 2), ("shape", "tail_exponent", 3.0)]
)
def test_settings_are_read_under_their_former_names(
    former: str, name: str, value: float, tmp_path: Path
) -> None:
    settings = {"method": "slowvae", "seed": training_seed()}
    config = BaselineConfig.from_dict({**settings, former: value})
    assert config == BaselineConfig.from_dict({**settings, name: value})
    assert former not in config.to_dict()
    path = tmp_path / "settings.toml"
    path.write_text(f"{former} = {value}\n", encoding="utf-8")
    assert getattr(read_settings(BaselineConfig, path, (), method="slowvae"), name) == value
    message = f"{name} is given twice, as {former} too, its former name; keep one"
    with pytest.raises(ConfigError, match=message):
        BaselineConfig.from_dict({**settings, former: value, name: value})


def test_former_names_are_not_settings_of_other_methods() -> None:
    with pytest.raises(ConfigError, match="no setting is called 'turns'"):
        read_config(None, ["turns=2"])


def test_scripts_of_earlier_versions_import_the_baselines() -> None:
    from estimation.baseline_config import BaselineConfig as Earlier
    from estimation.baselines import fit as earlier_fit
    from estimation.training import fit

    assert Earlier is BaselineConfig
    assert earlier_fit is fit
