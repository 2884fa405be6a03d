"""Unpickler of tensors and plain data only: everything else becomes an inert placeholder.

A pickle is a program that may call whatever it can import. Here nothing can be imported: a name is
looked up in a short table of our own, and every other name gives a fresh class whose instances
swallow what the pickle does to them. That is enough to read a whole pickled ``nn.Module``, whose
parameters and buffers lie in the dictionaries ``_parameters``, ``_buffers`` and ``_modules``,
without its code and even where its class no longer exists.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import torch
from torch import Tensor

from mmattn.errors import shortened

STORAGE_DTYPES = {
    'DoubleStorage': torch.float64,
    'FloatStorage': torch.float32,
    'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'ShortStorage': torch.int16,
    'CharStorage': torch.int8,
    'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
    'ComplexFloatStorage': torch.complex64,
    'ComplexDoubleStorage': torch.complex128,
    'UntypedStorage': torch.uint8,
}
# Modules of a network, each counted as often as it has a name, and how deep they lie in one another; letters of a name.
MODULES, MODULE_DEPTH, NAME = 50_000, 100, 2000
# Elements that a tensor may have without data for each, by strides of zero.
EXPANDED = 2**20


class Inert:
    """Placeholder for an instance of a class that may not be used; remembers only the state it was given."""

    state: Any = None
    module = ''  # in which its class is

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Inert:
        return Inert()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass

    def add(self, item: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class PlainDict(dict):
    """A dictionary in place of one of another class, without what else that class would have."""

    def __setstate__(self, state: Any) -> None:
        pass


class Allowed:
    """A function that a pickle may call. Unlike a bare function it cannot be altered by the pickle.

    Args:
        function: The function.
        spend: Function of a number of bytes that is called before each call with what the arguments may take again.
    """

    __slots__ = ('_function', '_spend')
    _function: Callable
    _spend: Callable[[int], None] | None

    def __init__(self, function: Callable, spend: Callable[[int], None] | None = None) -> None:
        object.__setattr__(self, '_function', function)
        object.__setattr__(self, '_spend', spend)

    def __call__(self, *args: Any) -> Any:
        if self._spend is not None:
            self._spend(
                sum(
                    len(arg) if isinstance(arg, (str, bytes)) else 100 * len(arg)
                    for arg in args
                    if isinstance(arg, (str, bytes, list, tuple, dict, set))
                )
            )
        return self._function(*args)

    def limited(self, spend: Callable[[int], None]) -> Allowed:
        """The same with a limit of what all calls may copy."""
        return Allowed(self._function, spend)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError('the pickle tries to alter a function')

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError('the pickle tries to alter a function')


def _rebuild_tensor(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    """A view of the flat tensor `storage`; torch checks that it stays inside."""
    if not isinstance(storage, Tensor):
        raise pickle.UnpicklingError('a tensor without a storage')
    if math.prod(size) > max(storage.numel(), EXPANDED):
        raise pickle.UnpicklingError('a tensor of more elements than its data')
    return torch.as_strided(storage, tuple(size), tuple(stride), offset)


def _rebuild_tensor_of_dtype(
    storage: Tensor, offset: int, size: tuple, stride: tuple, _grad: Any, _hooks: Any, dtype: torch.dtype, *_: Any
) -> Tensor:
    return _rebuild_tensor(storage.view(dtype), offset, size, stride)


def _rebuild_parameter(data: Tensor, *_: Any) -> Tensor:
    return data


def _rebuild_subclass(function: Any, _type: Any, args: tuple, *_: Any) -> Any:
    return function(*args) if isinstance(function, Allowed) else Inert()


def _attribute(_owner: Any, name: Any = None, *_: Any) -> Inert:
    if name in HARMFUL_NAMES:
        raise RefusedError(f'would run {name}, which no checkpoint of weights has')
    return Inert()


def _attribute_of_mmengine(owner: Any, name: Any = None, *_: Any) -> Inert:
    """What mmengine's histories call their statistics by, and its schedules their curves."""
    if not (isinstance(owner, type) and getattr(owner, 'module', '').startswith('mmengine.')):
        raise RefusedError(f'would take {shortened(str(name), 40)} of something, which no checkpoint of weights does')
    return _attribute(owner, name)


def _listed(items: Any) -> list | tuple:
    if not isinstance(items, (list, tuple)):
        raise pickle.UnpicklingError('a collection that is made of no list')
    return items


ALLOWED = {
    ('collections', 'OrderedDict'): Allowed(lambda items=(): OrderedDict(_listed(items))),
    ('builtins', 'set'): Allowed(lambda items=(): set(_listed(items))),
    ('torch', 'Size'): Allowed(lambda items=(): tuple(_listed(items))),
    ('builtins', 'getattr'): Allowed(_attribute),
    ('torch._utils', '_rebuild_tensor'): Allowed(_rebuild_tensor),
    ('torch._utils', '_rebuild_tensor_v2'): Allowed(_rebuild_tensor),
    ('torch._utils', '_rebuild_tensor_v3'): Allowed(_rebuild_tensor_of_dtype),
    ('torch._utils', '_rebuild_parameter'): Allowed(_rebuild_parameter),
    ('torch._utils', '_rebuild_parameter_with_state'): Allowed(_rebuild_parameter),
    ('torch._tensor', '_rebuild_from_type_v2'): Allowed(_rebuild_subclass),
    **{('torch', name): dtype for name, dtype in vars(torch).items() if isinstance(dtype, torch.dtype)},
    **{
        (module, name): dtype
        for name, dtype in STORAGE_DTYPES.items()
        for module in ('torch', 'torch.cuda', 'torch.storage')
    },
}
# Dictionaries of other classes, in which mmengine's checkpoints hold the names of classes and the config.
DICTIONARIES = {
    ('mmengine.config.config', 'ConfigDict'),
    ('mmcv.utils.config', 'ConfigDict'),
    ('addict.addict', 'Dict'),
}
# Names of which no checkpoint of weights has any: nothing of them would run here, but the file means harm.
HARMFUL_MODULES = {
    'os',
    'posix',
    'nt',
    'subprocess',
    'sys',
    'runpy',
    'importlib',
    'shutil',
    'socket',
    'pty',
    'ctypes',
    'pickle',
    '_pickle',
    'cPickle',
    'dill',
    'cloudpickle',
    'joblib',
    'code',
    'codeop',
    'pdb',
    'bdb',
    'timeit',
    'webbrowser',
    'urllib',
    'http',
    'ftplib',
    'smtplib',
    'multiprocessing',
    'concurrent',
    'asyncio',
    'signal',
    'pip',
    'pydoc',
    'doctest',
    'commands',
    'popen2',
    'imp',
    'zipimport',
    'pkgutil',
    'site',
    'tempfile',
    'marshal',
    'torch.serialization',
    'torch.hub',
    'torch.jit',
    'torch.package',
    'torch.utils.cpp_extension',
    'torch.utils.model_zoo',
    'torch.utils.collect_env',
    'torch.distributed.run',
    'torch.distributed.launcher',
    'torch.distributed.elastic',
    'torch.testing',
    'numpy.testing',
    'numpy.f2py',
    'numpy.lib',
    'numpy.ctypeslib',
    'mmengine.fileio',
    'mmengine.hub',
}
HARMFUL = {
    *(
        ('builtins', name)
        for name in (
            'eval',
            'exec',
            'compile',
            'open',
            'execfile',
            'file',
            'apply',
            '__import__',
            'input',
            'breakpoint',
            'exit',
            'quit',
            'globals',
            'delattr',
            'setattr',
        )
    ),
    *((module, name) for module in ('io', '_io') for name in ('open', 'open_code', 'FileIO')),
    *(('torch', name) for name in ('load', 'save', 'from_file', 'compile')),
    *(('numpy', name) for name in ('load', 'save', 'fromfile', 'memmap', 'loadtxt', 'genfromtxt')),
}
ADVICE = (
    'besides plain data; if you trust its weights, mmattn convert makes a checkpoint of them alone, which runs '
    'nothing either'
)
# Last parts of names, in any module, and of attributes.
HARMFUL_NAMES = {
    'system',
    'popen',
    'eval',
    'exec',
    'execve',
    'spawn',
    'from_file',
    'fromfile',
    'check_output',
    'runstring',
    '__globals__',
    '__builtins__',
    '__code__',
    '__subclasses__',
    '__import__',
    'fromstring',
    'loads',
}
# Besides the tables above what checkpoints without whole modules hold; it becomes placeholders, too.
USUAL = {
    ('argparse', 'Namespace'),
    ('types', 'SimpleNamespace'),
    ('torch', 'device'),
    ('_codecs', 'encode'),
    ('copyreg', '_reconstructor'),
    ('copy_reg', '_reconstructor'),
    ('builtins', 'object'),
    ('builtins', 'slice'),
    ('builtins', 'complex'),
    ('builtins', 'frozenset'),
    ('builtins', 'bytearray'),
    ('collections', 'defaultdict'),
    ('collections', 'Counter'),
    ('builtins', 'dict'),
    ('builtins', 'list'),
    ('datetime', 'datetime'),
    ('datetime', 'timedelta'),
    ('pathlib', 'PosixPath'),
    ('pathlib', 'WindowsPath'),
    ('pathlib', 'Path'),
    ('pathlib', 'PurePosixPath'),
}
USUAL_MODULES = (
    'mmengine.optim.',
    'mmengine.config.',
    'mmengine.logging.',
    'mmengine.structures.',
    'numpy.dtypes',
    'addict.',
    'yapf.',
)
_PYTHON2_MODULES = {'__builtin__': 'builtins'}


class RefusedError(pickle.UnpicklingError):
    """A name that a pickle may not have; the message says of the file what it would do."""


class InertUnpickler(pickle.Unpickler):
    """Unpickles plain data and tensors.

    Args:
        file: File that the pickle is read from.
        load_storage: Function of dtype, key and number of elements that returns a storage as a flat tensor.
        allowed: What more names a pickle may use, as `ALLOWED` has them.
        strict: Whether only names are taken that checkpoints have which hold no whole modules.
        memory: Number of bytes that the functions which a pickle calls may copy in all.

    The pickle is to be scanned before (`mmattn.weights.scan`), as what nests too deeply ends the process.
    """

    def __init__(
        self,
        file: BinaryIO,
        load_storage: Callable[[torch.dtype, str, int], Tensor],
        allowed: Mapping[tuple[str, str], Any] | None = None,
        *,
        strict: bool = False,
        memory: int,
    ) -> None:
        super().__init__(file, encoding='latin1')
        self.load_storage, self.strict, self.memory = load_storage, strict, memory
        self.allowed = {
            key: value.limited(self._spend) if isinstance(value, Allowed) else value
            for key, value in {**ALLOWED, **(allowed or {})}.items()
        }

    def _spend(self, count: int) -> None:
        self.memory -= count
        if self.memory < 0:
            raise pickle.UnpicklingError('its pickle would take several times the memory of the file')

    def find_class(self, module: str, name: str) -> Any:
        module = _PYTHON2_MODULES.get(module, module)
        if self.strict and (module, name) == ('builtins', 'getattr'):
            return Allowed(_attribute_of_mmengine)
        if (module, name) in self.allowed:
            return self.allowed[module, name]
        self._check_name(module, name)
        # a class of its own each time, as a pickle may alter it
        return (
            type('PlainDict', (PlainDict,), {})
            if (module, name) in DICTIONARIES
            else type('Inert', (Inert,), dict(module=module))
        )

    def _check_name(self, module: str, name: str) -> None:
        parts, text = module.split('.'), shortened(f'{module}.{name}', 80)
        packages = {'.'.join(parts[:count]) for count in (1, 2, 3)}
        if (module, name) in HARMFUL or packages & HARMFUL_MODULES or name.rpartition('.')[2] in HARMFUL_NAMES:
            raise RefusedError(f'would run {text}, which no checkpoint of weights has')
        usual = (module, name) in USUAL | DICTIONARIES or f'{module}.'.startswith(USUAL_MODULES) and '.' not in name
        if self.strict and not usual:
            raise RefusedError(f'holds {text} {ADVICE}')

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, tuple) and len(pid) >= 2 and pid[0] == 'module':
            return pid[1]  # a class, with its source, which files of torch before 1.6 carry along
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == 'storage' and isinstance(pid[1], torch.dtype)):
            raise pickle.UnpicklingError('an unknown kind of storage')
        dtype, key, _location, size = pid[1:5]
        storage = self.load_storage(dtype, str(key), int(size))
        view = pid[5] if len(pid) > 5 else None
        if isinstance(view, tuple):  # files before 1.6: (key, offset, elements) of a view of the storage
            storage = storage[view[1] : view[1] + view[2]]
        return storage


def module_state(module: Inert) -> dict[str, Tensor]:
    """The state dict of a pickled ``nn.Module`` that was read as a placeholder.

    Raises:
        RecursionError: Its modules never end, or are nested deeper than those of any network.
    """
    state: dict[str, Tensor] = {}
    visits = 0
    waiting: list[tuple[Inert, str, int]] = [(module, '', 0)]
    while waiting:
        module, prefix, depth = waiting.pop()
        visits += 1
        if visits > MODULES or depth > MODULE_DEPTH or len(prefix) > NAME:
            raise RecursionError
        fields = module.state[0] if isinstance(module.state, tuple) and module.state else module.state
        if not isinstance(fields, dict):
            continue
        state.update(_own(fields, prefix))
        # the first child is the next
        waiting += [
            (child, f'{prefix}{name}.', depth + 1)
            for name, child in reversed(_items(fields.get('_modules')))
            if isinstance(child, Inert)
        ]
    return state


def _own(fields: dict, prefix: str) -> Iterator[tuple[str, Tensor]]:
    skip = fields.get('_non_persistent_buffers_set') or ()
    for group in ('_parameters', '_buffers'):
        for name, value in _items(fields.get(group)):
            if isinstance(value, Tensor) and not (group == '_buffers' and name in skip):
                yield f'{prefix}{name}', value


def _items(value: Any) -> list[tuple[str, Any]]:
    return (
        [(name, item) for name, item in value.items() if isinstance(name, str) and len(name) <= NAME]
        if isinstance(value, dict)
        else []
    )
