"""Scan of a pickle before it is unpickled: its nesting, and the memory and time that it would take, without any of it.

A pickle of some bytes can ask for gigabytes, for hours, or for a nesting at which the interpreter's C code overflows
its stack. Here its instructions are followed with placeholders in place of values, which shows all that beforehand.
"""

from __future__ import annotations

from mmap import mmap

from mmattn.errors import CheckpointError

# Nesting of what pickles hold: a network of modules in modules has some 4 levels for each.
DEPTH = 300
# Instructions (some 50 for a tensor), and those among them that call something.
INSTRUCTIONS, CALLS = 2_000_000, 300_000
# Values that are hashed, tuples in tuples counted as often as they are met; whole numbers of more than 64 bits, which
# alone can be chosen so that dictionaries become slow.
HASHED, LONG_NUMBERS = 5_000_000, 20_000
# Bytes that a small file may need in memory, which are those of Python's objects: some 6 MiB for a whole pickled
# ResNet-50 of any width; a large one twice its size besides.
MEMORY = 16 * 2**20
# Bytes of a class, an object with its state, an empty container, an entry of a dictionary.
CLASS, OBJECT, CONTAINER, ENTRY = 1500, 800, 200, 120

(
    _REFUSED,
    _ATOM,
    _STRING,
    _LONG,
    _LINE,
    _CONTAINER,
    _MARK,
    _POP,
    _POP_MARK,
    _DUP,
    _PUT,
    _PUT_LINE,
    _MEMOIZE,
    _GET,
    _GET_LINE,
    _TUPLE,
    _COLLECT,
    _ADD,
    _ADD_ALL,
    _GLOBAL,
    _STACK_GLOBAL,
    _CALL,
    _CALL_MARK,
    _BUILD,
    _SKIP,
    _STOP,
    _LONG_LINE,
) = range(27)


def _table() -> tuple[list[int], list[int]]:
    """Kind and argument of each instruction: bytes of the argument or of its length, values taken from the stack."""
    kinds, arguments = [_REFUSED] * 256, [0] * 256
    for kind, codes in {
        _ATOM: {b'N': 0, b'\x88': 0, b'\x89': 0, b'J': 4, b'K': 1, b'M': 2, b'G': 8},
        _STRING: {b'U': 1, b'\x8c': 1, b'C': 1, b'T': 4, b'X': 4, b'B': 4, b'\x8d': 8, b'\x8e': 8, b'\x96': 8},
        _LONG: {b'\x8a': 1, b'\x8b': 4},
        _LINE: {b'F': 0, b'S': 0, b'V': 0, b'P': 0},
        _LONG_LINE: {b'I': 0, b'L': 0},
        _CONTAINER: {b']': 0, b'}': 0, b')': 0, b'\x8f': 0},
        _MARK: {b'(': 0},
        _POP: {b'0': 0},
        _POP_MARK: {b'1': 0},
        _DUP: {b'2': 0},
        _PUT: {b'q': 1, b'r': 4},
        _PUT_LINE: {b'p': 0},
        _MEMOIZE: {b'\x94': 0},
        _GET: {b'h': 1, b'j': 4},
        _GET_LINE: {b'g': 0},
        _TUPLE: {b'\x85': 1, b'\x86': 2, b'\x87': 3},
        _COLLECT: {b't': 0, b'l': 1, b'd': 1, b'\x91': 0},  # 1 for those that cannot be hashed
        _ADD: {b'a': 1, b's': 2},
        _ADD_ALL: {b'e': 0, b'u': 1, b'\x90': 1},  # 1 for those that hash
        _GLOBAL: {b'c': 0},
        _STACK_GLOBAL: {b'\x93': 2},
        _CALL: {b'R': 2, b'\x81': 2, b'\x92': 3, b'Q': 1},
        _CALL_MARK: {b'i': 1, b'o': 0},
        _BUILD: {b'b': 1},
        _SKIP: {b'\x80': 1, b'\x95': 8},
        _STOP: {b'.': 0},
    }.items():
        for code, argument in codes.items():
            kinds[code[0]], arguments[code[0]] = kind, argument
    return kinds, arguments


KINDS, ARGUMENTS = _table()
ATOM = (0, 1)


def scan(data: bytes | mmap, path: object, file_size: int, start: int = 0) -> int:
    """Follows the instructions of a pickle without values.

    Args:
        data: Bytes that the pickle is in.
        path: Path of the file, for messages.
        file_size: Size of the file, with which the memory that it may need grows.
        start: Where in `data` the pickle begins.

    Returns:
        Where it ends.

    Raises:
        CheckpointError: It is no pickle, is truncated, is nested too deeply, or would take too much memory or time.
    """
    try:
        return _Scan(data, path, MEMORY + 2 * file_size).run(start)
    except CheckpointError:
        raise
    except (IndexError, KeyError, TypeError, ValueError) as error:  # of a stack that is empty, a mark, no number
        raise CheckpointError(
            f'{path} is truncated or damaged: its pickle is none; download or copy it again'
        ) from error


class _Scan:
    def __init__(self, data: bytes | mmap, path: object, memory: int) -> None:
        self.data, self.path, self.memory = data, path, memory

    def _refuse(self, why: str) -> None:
        raise CheckpointError(f'{self.path} is refused: its pickle {why}')

    def _line(self, at: int) -> int:
        end = self.data.find(b'\n', at)
        if end < 0:
            raise IndexError
        return end

    def run(self, at: int) -> int:  # one loop, as calls would double its time
        data, size, kinds, arguments = self.data, len(self.data), KINDS, ARGUMENTS
        # A value is its depth, and how many values are hashed with it.
        stack: list = []
        memo: dict[int, tuple | list] = {}
        memory, hashed, calls, longs, count = self.memory, 0, 0, 0, 0
        while True:
            code = data[at]
            kind, argument = kinds[code], arguments[code]
            at += 1
            count += 1
            if count > INSTRUCTIONS:
                self._refuse('has more instructions than any checkpoint')
            if memory < 0:
                self._refuse('would take several times the memory of the file')
            if kind == _ATOM:
                at += argument
                memory -= 60
                stack.append(ATOM)
            elif kind == _PUT:
                index = int.from_bytes(data[at : at + argument], 'little')
                at += argument
                if index > count + 255:
                    self._refuse('has numbers of values that it does not have')
                memory -= ENTRY
                memo[index] = _value(stack[-1])
            elif kind == _MEMOIZE:
                memory -= ENTRY
                memo[len(memo)] = _value(stack[-1])
            elif kind == _GET:
                memory -= 16
                stack.append(memo[int.from_bytes(data[at : at + argument], 'little')])
                at += argument
            elif kind == _STRING:
                length = int.from_bytes(data[at : at + argument], 'little')
                at += argument
                if length > size - at:
                    raise IndexError
                wide = length > 256 and code in b'X\x8c\x8d' and not data[at : at + length].isascii()
                memory -= 80 + length * (5 if wide else 2)
                at += length
                stack.append(ATOM if length < 256 else (0, 1 + (length >> 8)))
            elif kind == _MARK:
                memory -= 16
                stack.append(None)
            elif kind == _TUPLE:
                taken = stack[-argument:]
                if len(taken) < argument:
                    raise IndexError
                del stack[-argument:]
                memory -= CONTAINER
                stack.append(self._collected(taken))
            elif kind == _CONTAINER:
                memory -= CONTAINER
                stack.append([1, 1])
            elif kind in (_CALL, _STACK_GLOBAL):
                taken = stack[-argument:]
                if len(taken) < argument:
                    raise IndexError
                del stack[-argument:]
                memory -= CLASS if kind == _STACK_GLOBAL else OBJECT
                calls += 1
                stack.append([1 + max(value[0] for value in taken), 1])
            elif kind in (_ADD_ALL, _COLLECT, _CALL_MARK, _POP_MARK):
                place = len(stack) - 1
                while stack[place] is not None:
                    place -= 1
                    if place < 0:
                        raise IndexError
                taken = stack[place + 1 :]
                del stack[place:]
                memory -= ENTRY * len(taken)
                if kind == _ADD_ALL:
                    _deepen(stack[-1], taken)
                    hashed += sum(value[1] for value in taken) if argument else 0
                elif kind == _COLLECT:
                    value = self._collected(taken)
                    hashed += value[1]
                    stack.append([value[0], 1] if argument else value)
                elif kind == _CALL_MARK:
                    if argument:  # module and name are in the instruction
                        at = self._line(self._line(at) + 1) + 1
                    memory -= OBJECT + CLASS
                    calls += 1
                    stack.append([1 + max((value[0] for value in taken), default=0), 1])
            elif kind in (_ADD, _BUILD):
                taken = stack[-argument:]
                if len(taken) < argument:
                    raise IndexError
                del stack[-argument:]
                memory -= ENTRY
                _deepen(stack[-1], taken)
                if argument == 2:
                    hashed += taken[0][1]
                calls += kind == _BUILD
            elif kind == _GLOBAL:
                end = self._line(self._line(at) + 1)
                memory -= CLASS + end - at
                calls += 1
                at = end + 1
                stack.append([1, 1])
            elif kind == _LONG:
                length = int.from_bytes(data[at : at + argument], 'little')
                at += argument + length
                if at > size:
                    raise IndexError
                longs += length > 8
                memory -= 40 + 2 * length
                stack.append((0, 1 + (length >> 2)))
            elif kind in (_LINE, _LONG_LINE):
                end = self._line(at)
                if kind == _LONG_LINE:
                    longs += end - at > 19
                memory -= 80 + 6 * (end - at)
                calls += code == 80
                stack.append((0, 1 + (end - at >> 4)))
                at = end + 1
            elif kind == _POP:
                stack.pop()
            elif kind == _DUP:
                memory -= 16
                stack.append(_value(stack[-1]))
            elif kind in (_PUT_LINE, _GET_LINE):
                end = self._line(at)
                index = int(data[at : min(end, at + 12)])
                at = end + 1
                if kind == _GET_LINE:
                    stack.append(memo[index])
                elif not 0 <= index <= count + 255:
                    self._refuse('has numbers of values that it does not have')
                else:
                    memo[index] = _value(stack[-1])
                memory -= ENTRY
            elif kind == _SKIP:
                at += argument
            elif kind == _STOP:
                _value(stack[-1])
                return at
            else:
                self._refuse('is none, or uses what no checkpoint does')
            if hashed > HASHED or calls > CALLS or longs > LONG_NUMBERS:
                self._refuse('would take longer than any checkpoint of its size')

    def _collected(self, taken: list) -> tuple[int, int]:
        depth = 1 + max((value[0] for value in taken), default=0)
        if depth > DEPTH:
            self._refuse('is nested too deeply')
        return depth, 1 + sum(value[1] for value in taken)


def _value(value: tuple | list | None) -> tuple | list:
    if value is None:
        raise IndexError  # a mark
    return value


def _deepen(target: list, taken: list) -> None:
    """What a container or an object is after values were put into it."""
    if taken and target[0] <= (depth := max(value[0] for value in taken)):
        if isinstance(target, tuple):
            raise TypeError
        target[0] = depth + 1
