"""The progress bar of a fit: tqdm's, one tick an epoch, with the losses and the speed."""

import time

from tqdm.auto import tqdm


class _Bar(tqdm):
    monitor_interval = 0  # no thread of its own, which a later fork would have to mind


class Progress:
    """A bar over `epochs` epochs, or nothing where it is not asked for."""

    def __init__(self, epochs, shown):
        self._bar = _Bar(total=epochs, unit="epoch", desc="fit") if shown else None
        self._last = time.perf_counter()

    def update(self, history, samples):
        """After an epoch over `samples` samples."""
        if self._bar is None:
            return
        now = time.perf_counter()
        figures = {"loss": f"{history.loss[-1]:.4f}"}
        if history.val_loss:
            figures["val_loss"] = f"{history.val_loss[-1]:.4f}"
        figures["samples/s"] = f"{samples / (now - self._last):,.0f}"
        self._last = now
        self._bar.set_postfix(figures, refresh=False)
        self._bar.update()

    def close(self):
        if self._bar is not None:
            self._bar.close()
