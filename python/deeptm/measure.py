# SPDX-License-Identifier: Apache-2.0
"""What a Keras workload measures: seconds and loss of each step."""

import time

import keras

from deeptm.measuring import Warmup


class StepRecorder(keras.callbacks.Callback):
    """Seconds and loss of every training batch."""

    def __init__(self):
        super().__init__()
        self.seconds = []
        self.losses = []
        self._began = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        # Keras reports the mean of the epoch so far; started afresh, that is the batch's own loss.
        self.model.reset_metrics()
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self._began)
        self.losses.append(float(logs["loss"]))


class TimedSteps(StepRecorder):
    """Ends the training after `steps` steps that follow a warm-up of `warmup` steps and no less than `warmup_seconds`.

    Tells a `progress` of each step, if there is one. `warmup` then says how many steps the warm-up had.
    """

    def __init__(self, steps, warmup, warmup_seconds=0.0, progress=None):
        super().__init__()
        self._clock, self._progress = Warmup(steps, warmup, warmup_seconds), progress

    @property
    def warmup(self):
        return self._clock.warmup

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        self.model.stop_training = self._clock.done(self.seconds)
        if self._progress:
            self._progress.step(len(self.seconds), self._clock.total(), self.seconds[-1], self.losses[-1])
