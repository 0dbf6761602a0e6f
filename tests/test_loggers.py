# SPDX-License-Identifier: Apache-2.0
"""The terms of a sum in TensorBoard, Weights & Biases and MLflow, where these are installed: `nox -s loggers`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfloss_ext import CategoricalFocal, Poly1, weighted_sum, wrap

X = np.random.default_rng(0).random((10, 3)).astype("float32")
IDS = np.arange(10) % 4
TERMS = ("rare", "all", "poly")


def fitted(*callbacks) -> dict[str, float]:
    """The logs of the last epoch of a model that is trained on a sum of three terms, each with its metric."""
    terms = {"rare": (0.5, CategoricalFocal()), "all": wrap("sparse_categorical_crossentropy"), "poly": (0.1, Poly1())}
    loss = weighted_sum(terms)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="softmax")])
    model.compile("sgd", loss=loss, metrics=loss.as_metrics())
    history = model.fit(X, IDS, epochs=2, verbose=0, callbacks=list(callbacks)).history
    return {name: history[name][-1] for name in TERMS}


@pytest.mark.tensorflow
def test_tensorboard(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    import tensorflow as tf

    logs = fitted(keras.callbacks.TensorBoard(tmp_path))
    events = accumulator.EventAccumulator(str(tmp_path / "train"), size_guidance={"tensors": 0}).Reload()
    for name, value in logs.items():
        written = events.Tensors(f"epoch_{name}")
        assert [event.step for event in written] == [0, 1]
        np.testing.assert_allclose(tf.make_ndarray(written[-1].tensor_proto), value, rtol=1e-6)


def test_weights_and_biases(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    from wandb.integration.keras import WandbMetricsLogger

    monkeypatch.setenv("WANDB_SILENT", "true")
    with wandb.init(mode="offline", dir=tmp_path, project="sums") as run:
        logs = fitted(WandbMetricsLogger())
        summary = dict(run.summary)
    for name, value in logs.items():
        np.testing.assert_allclose(summary[f"epoch/{name}"], value, rtol=1e-6)


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("default")  # What it warns of is its own and its database's.
def test_mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    from mlflow.tensorflow import MlflowCallback

    monkeypatch.chdir(tmp_path)  # Where it puts what it keeps beside the metrics.
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    with mlflow.start_run() as run:
        logs = fitted(MlflowCallback())
    for name, value in logs.items():
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, name)
        assert len(history) == 2
        np.testing.assert_allclose(history[-1].value, value, rtol=1e-6)
