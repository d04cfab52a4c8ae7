"""What `import dare_eeg_hf` makes known to Transformers, once Transformers has what it is made known to.

Loading Transformers' Auto classes and our models takes seconds, and whoever only wants help or to read a recording
needs neither. So each class is registered when the part of Transformers that keeps it has been loaded, by whomever
and in whatever order. Until then nothing here imports PyTorch or Transformers.
"""

import sys
import threading
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def _register_configuration() -> None:
    from transformers import AutoConfig

    from dare_eeg_hf.configuration_dare_eeg import DareEegConfig

    AutoConfig.register("dare_eeg", DareEegConfig, exist_ok=True)


def _register_models() -> None:
    from transformers import AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification

    from dare_eeg_hf import modeling_dare_eeg as ours
    from dare_eeg_hf.configuration_dare_eeg import DareEegConfig

    AutoModel.register(DareEegConfig, ours.DareEegModel, exist_ok=True)
    AutoModelForPreTraining.register(DareEegConfig, ours.DareEegForPreTraining, exist_ok=True)
    AutoModelForSequenceClassification.register(DareEegConfig, ours.DareEegForSequenceClassification, exist_ok=True)


def _register_feature_extractor() -> None:
    from transformers import AutoFeatureExtractor

    from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
    from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor

    AutoFeatureExtractor.register(DareEegConfig, DareEegFeatureExtractor, exist_ok=True)


def _register_pipelines() -> None:
    from dare_eeg_hf.pipeline_dare_eeg import register_pipelines

    register_pipelines()


def _offer_readers() -> None:
    from dare_eeg_hf.sources_dare_eeg import OFFERED

    # As pyproject.toml has them; these count where the package is on the path without having been installed.
    OFFERED["read"] = "dare_eeg_hf.recordings.readers:read_recording"
    OFFERED["normalise"] = "dare_eeg_hf.recordings.pieces:PiecewiseNormalizer"


class Registrar(MetaPathFinder):
    """Registers each thing as soon as the module that keeps it is there and no import is under way.

    Transformers and this package import each other's modules while they are being imported themselves, so the end of
    one module is too early: the outermost import must have ended.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, Callable[[], None]] = {
            "transformers.models.auto.configuration_auto": _register_configuration,
            "transformers.models.auto.modeling_auto": _register_models,
            "transformers.models.auto.feature_extraction_auto": _register_feature_extractor,
            "transformers.pipelines": _register_pipelines,
            f"{__package__}.sources_dare_eeg": _offer_readers,
        }
        self.imports = _ImportsUnderWay()

    def find_spec(self, fullname: str, *arguments: Any) -> ModuleSpec | None:
        """What the other finders find of the two packages, so that the end of the import is noticed."""
        if fullname.partition(".")[0] not in ("transformers", __package__) or not self.waiting:
            return None
        others = (finder for finder in sys.meta_path if not isinstance(finder, Registrar))
        spec = next(filter(None, (finder.find_spec(fullname, *arguments) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _NoticedLoader(spec.loader, self)
        return spec

    def register(self) -> None:
        """Register whatever is waited for and has been loaded."""
        for module in [name for name in self.waiting if name in sys.modules]:
            register = self.waiting.pop(module, None)  # None: done by what an earlier one imported
            try:
                if register is not None:
                    register()
            except BaseException:  # an interruption, too: the next import tries again
                self.waiting[module] = register
                raise


class _ImportsUnderWay(threading.local):
    """How many modules a thread is importing, each for the sake of the one before."""

    depth = 0


class _NoticedLoader(Loader):
    """Loads a module as its own loader does, which the module keeps, and tells the registrar."""

    def __init__(self, loader: Loader, registrar: Registrar) -> None:
        self.loader, self.registrar = loader, registrar

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__.loader = self.loader
        if module.__loader__ is self:
            module.__loader__ = self.loader
        self.registrar.imports.depth += 1
        try:
            self.loader.exec_module(module)
        finally:
            self.registrar.imports.depth -= 1
        if not self.registrar.imports.depth:
            self.registrar.register()


def register_when_loaded() -> None:
    """Register what Transformers has loaded already, and the rest when it loads it."""
    for finder in [finder for finder in sys.meta_path if type(finder).__qualname__ == Registrar.__qualname__]:
        sys.meta_path.remove(finder)  # of this package before it was reloaded
    registrar = Registrar()
    sys.meta_path.insert(0, registrar)
    registrar.register()
