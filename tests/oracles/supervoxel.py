"""Critical components by the book: slow, literal implementations."""

from __future__ import annotations

from random import Random

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


def released(reference, other):
    """What the released code computes, and as it does so: searches in Python, each with an image of its own.

    Objects of a mask and the remainder, regardless of ids, are labelled with SciPy's default, faces only; mistakes grow
    and touch with all neighbours, within one id. A search starts at a random voxel.
    """
    if reference.dtype == bool:
        reference, _ = ndimage.label(reference)
    mistakes = (reference != 0) & (other == 0)
    remainder, _ = ndimage.label(np.where(mistakes, 0, reference))
    random = Random(0)
    todo = set(map(tuple, np.argwhere(mistakes)))
    critical, count = np.zeros(reference.shape), 0
    while todo:
        (root,) = random.sample(tuple(todo), 1)
        component, visited, touched = search(reference, mistakes, remainder, root)
        todo = todo.difference(visited)
        if len(touched) != 1:
            critical += component
            count += 1
    return critical > 0, count


def search(reference, mistakes, remainder, root):
    """Grow a component of mistakes; its image, the voxels seen, and the components of the remainder that it touches."""
    component = np.zeros(reference.shape)
    queue, visited, touched = [root], {root}, set()
    while queue:
        voxel = queue.pop(0)
        component[voxel] = 1
        for neighbour in neighbours(voxel, reference.shape):
            if neighbour in visited or reference[neighbour] != reference[root]:
                continue
            visited.add(neighbour)
            if mistakes[neighbour]:
                queue.append(neighbour)
            else:
                touched.add(int(remainder[neighbour]))
    return component, visited, touched


def neighbours(voxel, shape):
    """All neighbours of a voxel inside the image, and itself, by arrays of offsets."""
    offsets = np.stack(np.meshgrid(*[[-1, 0, 1]] * len(shape), indexing="ij"), axis=-1).reshape(-1, len(shape))
    found = np.array(voxel) + offsets
    return map(tuple, found[((found >= 0) & (found < shape)).all(axis=1)])
