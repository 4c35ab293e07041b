"""An order of operations in which little is held at the same time."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from keras_sharpness.metrics.backend.tensorflow.tensor_bytes import tensor_bytes

# Smaller tensors, in parts of the largest one, do not count.
_SMALL = 0.02
# Large operations that may run side by side: from 1 to 3 they took the same
# memory, and 1 a twentieth more time; with 4 the memory rose.
_SIDE_BY_SIDE = 3


def memory_order(names: Iterable[str], outputs: Iterable[Any]) -> list[Any]:
    """An order of operations in which little is held at the same time.

    TensorFlow runs an operation as soon as it can. Of a Hessian product many
    can run at once, all those that multiply what is kept of the two passes by
    the vector, long before anybody wants their results, and each result is as
    large as the activations of a layer. In this order

    * of what an operation needs, that comes first which takes the most steps
      (Sethi and Ullman 1970), so that the rest does not wait for it;
    * operations that free at least what they take run as soon as they can.

    It is not the best order, which is hard to find. Of a Hessian product of
    networks with convolutions it takes a half to a quarter of what is held
    beside the kept tensors.

    Args:
        names: Names of operations of one graph; what others compute takes no
            memory of its own.
        outputs: Tensors of the same graph, which are held to the end.

    Returns:
        List of the operations of these names that the outputs need.

    Reference:
        Sethi and Ullman 1970, https://doi.org/10.1145/321607.321620.
    """
    outputs = list(outputs)
    inside = set(names)
    order = _depth_first(inside, outputs)
    return _freeing_early(order, outputs)


def waiting_for(order: Sequence[Any]) -> dict[str, str]:
    """By which pairs of operations an order comes about.

    Operations that only touch small tensors keep their freedom, and of the
    others a few may run side by side.

    Args:
        order: List of operations.

    Returns:
        Dict. The name of an operation to that of the one it has to wait for.
    """
    inside = {operation.name for operation in order}
    small = _small(order)
    large = [
        operation
        for operation in order
        if any(
            tensor_bytes(tensor) > small
            for tensor in (*operation.inputs, *operation.outputs)
            if tensor.op.name in inside
        )
    ]
    return {
        later.name: earlier.name
        for earlier, later in zip(large, large[_SIDE_BY_SIDE:], strict=False)
    }


def _depth_first(inside: set[str], outputs: list[Any]) -> list[Any]:
    depths = _depths(inside, outputs)
    order: list[Any] = []
    seen: set[str] = set()
    # The output that is first finished comes first, so that nothing is held
    # for it.
    roots = {t.op.name: t.op for t in outputs if t.op.name in inside}
    for root in sorted(roots.values(), key=lambda op: depths[op.name]):
        stack = [(root, False)]
        while stack:
            operation, is_ready = stack.pop()
            if is_ready:
                order.append(operation)
            elif operation.name not in seen:
                seen.add(operation.name)
                stack.append((operation, True))
                # The last one on the stack is the next.
                stack += sorted(
                    ((before, False) for before in _before(operation, inside)),
                    key=lambda item: depths[item[0].name],
                )
    return order


def _depths(inside: set[str], outputs: list[Any]) -> dict[str, int]:
    depths: dict[str, int] = {}
    if outputs:
        # A graph lists operations after those whose results they take.
        for operation in outputs[0].graph.get_operations():
            if operation.name in inside:
                depths[operation.name] = 1 + max(
                    (depths[o.name] for o in _before(operation, inside)),
                    default=0,
                )
    return depths


def _before(operation: Any, inside: set[str]) -> list[Any]:
    before = {t.op.name: t.op for t in operation.inputs if t.op.name in inside}
    return list(before.values())


def _small(order: Sequence[Any]) -> float:
    sizes = (tensor_bytes(t) for operation in order for t in operation.outputs)
    return _SMALL * max(sizes, default=0)


def _freeing_early(order: list[Any], outputs: list[Any]) -> list[Any]:
    """The order, but operations that free enough run when they can."""
    places = {operation.name: place for place, operation in enumerate(order)}
    small = _small(order)
    # Who is still to use a tensor; of the outputs, nobody ends the use.
    users: dict[str, set[str]] = defaultdict(set)
    after: dict[str, list[str]] = defaultdict(list)
    missing: dict[str, int] = {}
    for operation in order:
        for tensor in operation.inputs:
            users[tensor.name].add(operation.name)
        before = _before(operation, places.keys())
        missing[operation.name] = len(before)
        for other in before:
            after[other.name].append(operation.name)
    for tensor in outputs:
        users[tensor.name].add("")
    worthwhile: list[int] = []
    result: list[Any] = []
    done: set[str] = set()

    def consider(name: str) -> None:
        if name and not missing[name] and name not in done:
            operation = order[places[name]]
            sizes = [tensor_bytes(tensor) for tensor in operation.outputs]
            freed = {
                tensor.name: tensor_bytes(tensor)
                for tensor in operation.inputs
                if tensor.op.name in places and users[tensor.name] == {name}
            }
            if max(sizes, default=0) <= small or sum(sizes) <= sum(
                freed.values()
            ):
                heapq.heappush(worthwhile, places[name])

    def run(operation: Any) -> None:
        if operation.name in done:
            return
        result.append(operation)
        done.add(operation.name)
        for tensor in operation.inputs:
            users[tensor.name].discard(operation.name)
            if len(users[tensor.name]) == 1:
                consider(*users[tensor.name])
        for name in after[operation.name]:
            missing[name] -= 1
            consider(name)

    for name in places:
        consider(name)
    for operation in order:
        while worthwhile:
            run(order[heapq.heappop(worthwhile)])
        run(operation)
    return result
