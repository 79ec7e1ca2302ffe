"""A method that notes which GPU its process may use, now and when it began, for tests with pretended GPUs. No torch."""

import os
import time

from stand_in_methods import Bright, log

DEVICES = "CUDA_VISIBLE_DEVICES"
BEGAN_ON = os.environ.get(DEVICES)  # when the process imported this, before its first job


class Placed(Bright):
    def predict(self, queries):
        began = time.time()
        found = super().predict(queries)
        devices = os.environ.get(DEVICES)
        log(f"placed {self.config.name} {os.getpid()} {BEGAN_ON or '-'} {devices or '-'} {began} {time.time()}")
        return found
