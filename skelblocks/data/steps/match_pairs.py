"""Minimal-cost assignment between two lists, of which only some pairs may match."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.optional import require


def match_pairs(rows: NDArray[np.int64], columns: NDArray[np.int64], costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Choose pairs, each row and each column at most once, such that the sum of ``cost - 1`` is minimal.

    A row without a partner so costs as much as a pair of cost 1, and pairs of a larger cost are never chosen. Rows and
    columns without competitors are settled at once; the others fall into small groups, each of which is one
    problem for ``scipy.optimize.linear_sum_assignment``.

    Args:
        rows: The row of each pair that may match, ``(p,)``.
        columns: Its column, ``(p,)``.
        costs: Its cost, ``(p,)``, not negative.

    Returns:
        Boolean ``(p,)``, true for the chosen pairs.

    Raises:
        ImportError: Scipy is not installed.

    Example:
        >>> match_pairs(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.1, 0.3, 0.2]))
        array([False,  True,  True])
    """
    chosen = np.zeros(len(rows), dtype=np.bool_)
    possible = np.flatnonzero(costs < 1)
    if not len(possible):
        return chosen
    row_names, row = np.unique(rows[possible], return_inverse=True)
    column_names, column = np.unique(columns[possible], return_inverse=True)
    alone = (np.bincount(row)[row] == 1) & (np.bincount(column)[column] == 1)
    chosen[possible[alone]] = True
    contested = np.flatnonzero(~alone)
    if not len(contested):
        return chosen
    sparse = require("scipy.sparse", extra="data")
    graph, assign = require("scipy.sparse.csgraph", extra="data"), require("scipy.optimize", extra="data")
    n = len(row_names) + len(column_names)
    links = sparse.coo_matrix((np.ones(len(row)), (row, column + len(row_names))), shape=(n, n))
    group = graph.connected_components(links, directed=False)[1][row[contested]]
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        pairs = contested[order[start:stop]]
        _, r = np.unique(row[pairs], return_inverse=True)
        _, k = np.unique(column[pairs], return_inverse=True)
        table = np.zeros((r.max() + 1, k.max() + 1))
        table[r, k] = costs[possible[pairs]] - 1
        number = np.full(table.shape, -1)
        number[r, k] = possible[pairs]
        found = number[assign.linear_sum_assignment(table)]
        chosen[found[found >= 0]] = True
    return chosen
