"""Critical components by the book: slow, literal implementations."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import ndimage


def structure(ndim, connectivity):
    return ndimage.generate_binary_structure(ndim, connectivity)


def mistake_components(reference, other, connectivity, *, classes=False):
    """Each component of what `other` misses of an object of `reference`: its id and its mask."""
    mistakes = (reference != 0) & ((other != reference) if classes else (other == 0))
    for value in np.unique(reference[reference != 0]):
        labels, count = ndimage.label(mistakes & (reference == value), structure(reference.ndim, connectivity))
        for k in range(1, count + 1):
            yield value, labels == k


def linear(reference, other, connectivity, *, classes=False):
    """Critical components by the linear rule: those that touch none, or several, of the remainder's components."""
    cross = structure(reference.ndim, connectivity)
    mistakes = (reference != 0) & ((other != reference) if classes else (other == 0))
    critical, values = np.zeros(reference.shape, bool), []
    for value, component in mistake_components(reference, other, connectivity, classes=classes):
        remainder, _ = ndimage.label((reference == value) & ~mistakes, cross)
        touched = np.unique(remainder[ndimage.binary_dilation(component, cross) & (remainder > 0)])
        if len(touched) != 1:
            critical |= component
            values.append(value)
    return critical, values


def literal(reference, other, connectivity):
    """Critical components by the definition: removing one alone changes the number of components of its object."""
    cross = structure(reference.ndim, connectivity)
    critical = np.zeros(reference.shape, bool)
    for value, component in mistake_components(reference, other, connectivity):
        whole = reference == value
        if ndimage.label(whole, cross)[1] != ndimage.label(whole & ~component, cross)[1]:
            critical |= component
    return critical


def neighbours(voxel, shape):
    """All neighbours of a voxel inside the image, and itself."""
    return product(*(range(max(0, a - 1), min(n, a + 2)) for a, n in zip(voxel, shape, strict=True)))


def released(reference, other):
    """What the released code computes: breadth-first searches in Python.

    Objects of a mask and the remainder, regardless of ids, are labelled with SciPy's default, faces only; mistakes grow
    and touch with all neighbours, within one id.
    """
    if reference.dtype == bool:
        reference, _ = ndimage.label(reference)
    mistakes = (reference != 0) & (other == 0)
    remainder, _ = ndimage.label(np.where(mistakes, 0, reference))
    todo = set(map(tuple, np.argwhere(mistakes)))
    critical, count = np.zeros(reference.shape, bool), 0
    while todo:
        root = todo.pop()
        component, queue, touched = {root}, [root], set()
        while queue:
            for neighbour in neighbours(queue.pop(), reference.shape):
                if reference[neighbour] != reference[root]:
                    continue
                if not mistakes[neighbour]:
                    touched.add(int(remainder[neighbour]))
                elif neighbour not in component:
                    component.add(neighbour)
                    queue.append(neighbour)
        todo -= component
        if len(touched) != 1:
            count += 1
            for voxel in component:
                critical[voxel] = True
    return critical, count
