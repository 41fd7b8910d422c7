// Kernels of the CUDA backend.
//
// Each is a loop over independent elements: `i` counts those of this thread. There is no shared memory and nothing that
// a warp does together, so that the same source also runs, compiled as C++, on a CPU, where the tests compare it with
// the CPU backend. Volumes are (items, depth, height, width), contiguous, and images volumes of one plane. Padded ones
// have a border of zeros of one voxel around each item, so that neighbours can be read without a question.

typedef unsigned char u8;
typedef long long i64;
typedef unsigned long long u64;

#define FOR_EACH(i, count) \
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < (count); i += (i64)gridDim.x * blockDim.x)

// ---------------------------------------------------------------------------------------------------------- thinning

// The neighbours of a voxel as bits 9 (dz + 1) + 3 (dy + 1) + (dx + 1).
__device__ unsigned neighbours_of(const u8* own, i64 row, i64 plane) {
    unsigned code = 0;
    for (int dz = 0; dz < 3; ++dz)
        for (int dy = 0; dy < 3; ++dy)
            for (int dx = 0; dx < 3; ++dx)
                code |= (unsigned)(own[(dz - 1) * plane + (dy - 1) * row + (dx - 1)] != 0) << (9 * dz + 3 * dy + dx);
    return code & ~(1u << 13);
}

// Whether a voxel is simple, and no end point. Think of it as a closed cube, and of what the foreground leaves open of
// its surface: a face if the voxel behind it is background, an edge if the three around it are, a corner if all seven
// are. It is simple if what is open is connected, and a disc: corners - edges + faces = 1.
__device__ bool is_deletable(unsigned code) {
    if ((code & (code - 1)) == 0) return false;
    const unsigned background = ~code;
    const int face_bits[6] = {4, 22, 10, 16, 12, 14};  // z - 1, z + 1, y - 1, y + 1, x - 1, x + 1
    unsigned faces = 0;
    for (int f = 0; f < 6; ++f) faces |= ((background >> face_bits[f]) & 1u) << f;
    if (faces == 0) return false;
    unsigned edges = 0, pairs[12];  // edges by the bits of their voxels; the faces that they are between
    int euler = 0, count = 0;
    for (int a = 0; a < 4; ++a)
        for (int b = a < 2 ? 2 : 4; b < 6; ++b) {
            const int bit = face_bits[a] + face_bits[b] - 13;
            const unsigned pair = (1u << a) | (1u << b);
            if (((background >> bit) & 1u) && (faces & pair) == pair) {
                edges |= 1u << bit;
                pairs[count++] = pair;
                --euler;
            }
        }
    for (int f = 0; f < 6; ++f) euler += (faces >> f) & 1u;
    for (int z = 0; z < 2; ++z)
        for (int y = 2; y < 4; ++y)
            for (int x = 4; x < 6; ++x) {
                const int bit = face_bits[z] + face_bits[y] + face_bits[x] - 26;
                const unsigned around = (1u << (face_bits[z] + face_bits[y] - 13)) |
                                        (1u << (face_bits[z] + face_bits[x] - 13)) |
                                        (1u << (face_bits[y] + face_bits[x] - 13));
                euler += ((background >> bit) & 1u) && (edges & around) == around;
            }
    if (euler != 1) return false;
    unsigned reached = faces & (0u - faces);
    for (unsigned before = 0; before != reached;) {
        before = reached;
        for (int k = 0; k < count; ++k)
            if (reached & pairs[k]) reached |= pairs[k];
    }
    return reached == faces;
}

// Whether a voxel lies in a surface one voxel thick: of the eight octants around it, none has more than three voxels, or
// four that do not lie in a plane.
__device__ bool is_in_surface(unsigned code) {
    code |= 1u << 13;
    for (int corner = 0; corner < 8; ++corner) {
        // of its first voxel: the octant of corner (z, y, x) begins there
        const unsigned first = code >> (9 * (corner >> 2) + 3 * ((corner >> 1) & 1) + (corner & 1));
        const unsigned low = (first & 3u) | ((first >> 3) & 3u) << 2, high = first >> 9;
        const unsigned octant = low | (high & 3u) << 4 | ((high >> 3) & 3u) << 6;
        unsigned count = 0;
        for (int bit = 0; bit < 8; ++bit) count += (octant >> bit) & 1u;
        const bool is_plane = octant == 15 || octant == 51 || octant == 60 || octant == 85 || octant == 90 ||
                              octant == 102 || octant == 153 || octant == 165 || octant == 170 || octant == 195 ||
                              octant == 204 || octant == 240;
        if (count > 3 && !is_plane) return false;
    }
    return true;
}

__device__ bool goes(const u8* own, i64 row, i64 plane, i64 surface) {
    const unsigned code = neighbours_of(own, row, plane);
    return is_deletable(code) && !(surface && is_in_surface(code));
}

// Note which of the listed voxels of a padded volume are on the border in a direction and can be deleted; ``surface``:
// but for those that lie in one.
extern "C" __global__ void find_candidates(
    const u8* volume, const i64* voxels, u8* candidates, i64 count, i64 direction, i64 row, i64 plane, i64 surface) {
    FOR_EACH(k, count) {
        const u8* own = volume + voxels[k];
        candidates[k] = *own && !own[direction] && goes(own, row, plane, surface);
    }
}

// Delete those of the candidates that still can be. No two of the listed voxels may be 26-adjacent.
extern "C" __global__ void delete_candidates(
    u8* volume, const i64* voxels, const u8* candidates, i64 count, i64 row, i64 plane, i64 surface) {
    FOR_EACH(k, count) {
        u8* own = volume + voxels[k];
        if (candidates[k] && goes(own, row, plane, surface)) *own = 0;
    }
}

// Note which of the listed pixels of padded images go in a pass; the table says so of the neighbours' 256 codes, from
// the north-west clockwise.
extern "C" __global__ void find_going(
    const u8* image, const i64* pixels, u8* going, i64 count, const u8* table, i64 row) {
    FOR_EACH(k, count) {
        const u8* own = image + pixels[k];
        const unsigned code = own[-row - 1] | own[-row] << 1 | own[-row + 1] << 2 | own[1] << 3 | own[row + 1] << 4 |
                              own[row] << 5 | own[row - 1] << 6 | own[-1] << 7;
        going[k] = *own && table[code];
    }
}

extern "C" __global__ void delete_going(u8* image, const i64* pixels, const u8* going, i64 count) {
    FOR_EACH(k, count)
        if (going[k]) image[pixels[k]] = 0;
}

// Dilate padded volumes by a ball: each voxel of the foreground writes its own, as far as it is inside. ``ball``,
// (size_z, size_y), says how far it reaches along x, -1 for not at all; ``wider`` is padded too, and zeros.
extern "C" __global__ void dilate(
    const u8* volume, u8* wider, const i64* ball, i64 size_z, i64 size_y, i64 items, i64 depth, i64 height, i64 width) {
    const i64 row = width + 2, plane = row * (height + 2), item = plane * (depth + 2);
    FOR_EACH(i, items * depth * height * width) {
        const i64 x = i % width, y = i / width % height, z = i / width / height % depth, n = i / width / height / depth;
        const i64 at = n * item + (z + 1) * plane + (y + 1) * row + x + 1;
        if (!volume[at]) continue;
        for (i64 dz = z < size_z ? -z : 1 - size_z; dz < size_z && z + dz < depth; dz++) {
            for (i64 dy = y < size_y ? -y : 1 - size_y; dy < size_y && y + dy < height; dy++) {
                const i64 reach = ball[(dz < 0 ? -dz : dz) * size_y + (dy < 0 ? -dy : dy)];
                const i64 before = reach < x ? reach : x, behind = reach < width - 1 - x ? reach : width - 1 - x;
                for (i64 dx = -before; dx <= behind; dx++) wider[at + dz * plane + dy * row + dx] = 1;
            }
        }
    }
}

// -------------------------------------------------------------------------------------------------------- components

__device__ int find_root(const int* parent, int i) {
    // Others may write meanwhile, but parents only ever get smaller, and stay in the component.
    const volatile int* current = parent;
    int above = current[i];
    while (above != i) {
        i = above;
        above = current[i];
    }
    return i;
}

// The same, and let those on the way point further up. Such a store may undo another's join of a voxel that had ceased
// to be a root; but who made that one goes on until two roots are joined.
__device__ int find_root_and_shorten(int* parent, int i) {
    volatile int* current = parent;
    int above = current[i];
    while (above != i) {
        const int further = current[above];
        if (further != above) current[i] = further;
        i = above;
        above = further;
    }
    return i;
}

// Make the components of a and b one; its root is its first voxel.
__device__ void join(int* parent, int a, int b) {
    while (true) {
        a = find_root_and_shorten(parent, a);
        b = find_root_and_shorten(parent, b);
        if (a == b) return;
        if (a < b) {
            const int c = a;
            a = b;
            b = c;
        }
        const int old = atomicMin(parent + a, b);
        if (old == a) return;
        a = old;  // somebody was faster: what a has become has to be joined
    }
}

// Join the neighbours of equal keys. With two connectivities, odd keys are joined under the second. ``remainder_as_one``
// joins all even keys.
extern "C" __global__ void join_equal(
    int* parent, const int* keys, i64 items, i64 depth, i64 height, i64 width, i64 even_connectivity,
    i64 odd_connectivity, i64 remainder_as_one) {
    FOR_EACH(i, items * depth * height * width) {
        const int own = keys[i];
        if (own == 0) continue;
        const i64 connectivity = own & 1 ? odd_connectivity : even_connectivity;
        const i64 x = i % width, y = i / width % height, z = i / width / height % depth;
        for (int k = 0; k < 13; ++k) {  // the neighbours before it in raster order
            const int dz = k / 9 - 1, dy = k / 3 % 3 - 1, dx = k % 3 - 1;
            if (dz * dz + dy * dy + dx * dx > connectivity) continue;
            if (z + dz < 0 || y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width) continue;
            const i64 j = i + (dz * height + dy) * width + dx;
            const int other = keys[j];
            if (other == own || (remainder_as_one && other != 0 && ((other | own) & 1) == 0))
                join(parent, (int)i, (int)j);
        }
    }
}

// Of kernels about affinities (items, edges, depth, height, width), a launch is about one of the edges.

// The voxel an edge further, or -1 outside.
__device__ i64 further(i64 v, i64 depth, i64 height, i64 width, i64 dz, i64 dy, i64 dx) {
    const i64 x = v % width + dx, y = v / width % height + dy, z = v / width / height % depth + dz;
    if (z < 0 || z >= depth || y < 0 || y >= height || x < 0 || x >= width) return -1;
    return v + (dz * height + dy) * width + dx;
}

// Say which affinities are true, and which do not leave the image.
extern "C" __global__ void compare_ends(
    u8* truth, u8* inside, const int* keys, i64 items, i64 edges, i64 depth, i64 height, i64 width, i64 edge, i64 dz,
    i64 dy, i64 dx) {
    const i64 size = depth * height * width;
    FOR_EACH(v, items * size) {
        const i64 i = ((v / size) * edges + edge) * size + v % size, w = further(v, depth, height, width, dz, dy, dx);
        inside[i] = w >= 0;
        truth[i] = w >= 0 && keys[v] != 0 && keys[v] == keys[w];
    }
}

// Join the ends of affinities, and note them.
extern "C" __global__ void join_affine(
    const u8* affinity, int* parent, u8* joined, i64 items, i64 edges, i64 depth, i64 height, i64 width, i64 edge,
    i64 dz, i64 dy, i64 dx) {
    const i64 size = depth * height * width;
    FOR_EACH(v, items * size) {
        const i64 i = ((v / size) * edges + edge) * size + v % size, w = further(v, depth, height, width, dz, dy, dx);
        if (w < 0 || !affinity[i]) continue;
        joined[v] = joined[w] = 1;
        join(parent, (int)v, (int)w);
    }
}

// Select the mistakes between voxels that are both not of the remainder; they hang together where they meet.
extern "C" __global__ void select_free(
    u8* selected, const u8* mistakes, const u8* remains, i64 items, i64 edges, i64 depth, i64 height, i64 width,
    i64 edge, i64 dz, i64 dy, i64 dx) {
    const i64 size = depth * height * width;
    FOR_EACH(v, items * size) {
        const i64 i = ((v / size) * edges + edge) * size + v % size, w = further(v, depth, height, width, dz, dy, dx);
        selected[i] = w >= 0 && mistakes[i] && !remains[v] && !remains[w];
    }
}

// Keep, for each component of mistakes, the first component of the remainder that it touches, or -1, and whether it
// touches many; join those that it touches. ``component`` says of voxels of the remainder which of its components
// they are of, and of others which component of mistakes. Note the ends of mistakes.
extern "C" __global__ void touch_affine(
    const u8* mistakes, const int* component, const u8* remains, int* joined, int* touched, u8* many, u8* ends,
    i64 items, i64 edges, i64 depth, i64 height, i64 width, i64 edge, i64 dz, i64 dy, i64 dx) {
    const i64 size = depth * height * width;
    FOR_EACH(v, items * size) {
        const i64 i = ((v / size) * edges + edge) * size + v % size, w = further(v, depth, height, width, dz, dy, dx);
        if (w < 0 || !mistakes[i]) continue;
        ends[v] = ends[w] = 1;
        if (!remains[v] && !remains[w]) continue;
        int first = component[v], other = component[w];
        if (!remains[v] || !remains[w]) {
            const int mistake = remains[v] ? other : first;
            other = remains[v] ? first : other;
            first = atomicCAS(touched + mistake, -1, other);  // which goes from -1 to a root, and never back
            if (first == -1) first = other;
            if (first != other) many[mistake] = 1;
        }
        join(joined, first, other);
    }
}

// Say which mistakes are critical: those of components that touch none or many, or between two of the remainder.
extern "C" __global__ void judge_affine(
    u8* critical, const u8* mistakes, const int* component, const u8* remains, const int* touched, const u8* many,
    i64 items, i64 edges, i64 depth, i64 height, i64 width, i64 edge, i64 dz, i64 dy, i64 dx) {
    const i64 size = depth * height * width;
    FOR_EACH(v, items * size) {
        const i64 i = ((v / size) * edges + edge) * size + v % size, w = further(v, depth, height, width, dz, dy, dx);
        critical[i] = 0;
        if (w < 0 || !mistakes[i]) continue;
        const int mistake = component[remains[v] ? w : v];
        critical[i] = remains[v] && remains[w] ? component[v] != component[w] : touched[mistake] == -1 || many[mistake];
    }
}

// Let each voxel point to the first of its component.
extern "C" __global__ void flatten(int* parent, i64 count) {
    FOR_EACH(i, count) parent[i] = find_root(parent, (int)i);
}

// Keep, for each component of odd keys, what it touches of the even keys that are equal but for ``of_object``'s other
// bits: -1 for nothing, the root of the one component, or -2 for more.
extern "C" __global__ void touch(
    int* touched, const int* parent, const int* keys, i64 items, i64 depth, i64 height, i64 width, i64 connectivity,
    i64 of_object) {
    FOR_EACH(i, items * depth * height * width) {
        const int own = keys[i];
        if ((own & 1) == 0) continue;
        const i64 x = i % width, y = i / width % height, z = i / width / height % depth;
        int* const state = touched + parent[i];
        for (int k = 0; k < 27; ++k) {
            const int dz = k / 9 - 1, dy = k / 3 % 3 - 1, dx = k % 3 - 1;
            if (dz * dz + dy * dy + dx * dx > connectivity) continue;
            if (z + dz < 0 || z + dz >= depth || y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width)
                continue;
            const i64 j = i + (dz * height + dy) * width + dx;
            if ((keys[j] & 1) || (keys[j] & (int)of_object) != (own & (int)of_object)) continue;
            const int found = parent[j];
            int old = *(volatile int*)state;  // goes from -1 to a root to -2, and never back
            if (old == -1) old = atomicCAS(state, -1, found);
            if (old == -2) break;
            if (old != -1 && old != found) atomicExch(state, -2);
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- Euler

__device__ int all_of(unsigned w, unsigned bits) { return (w & bits) == bits; }

__device__ int any_of(unsigned w, unsigned bits) { return (w & bits) != 0; }

// Add up the Euler characteristics of padded volumes, one row of windows of 2 x 2 x 2 voxels after the other. With
// connectivity 1 of the voxels, pairs, squares and cubes that are foreground, otherwise of closed cubes; with
// ``diagonals``, cubes that share no more than a corner do not meet there.
extern "C" __global__ void add_euler(
    const u8* volume, i64* sums, i64 items, i64 depth, i64 height, i64 width, i64 connectivity, i64 diagonals) {
    const i64 row = width + 2, plane = row * (height + 2), item = plane * (depth + 2);
    FOR_EACH(i, items * (depth + 1) * (height + 1)) {
        const i64 y = i % (height + 1), z = i / (height + 1) % (depth + 1), n = i / (height + 1) / (depth + 1);
        const u8* first = volume + n * item + z * plane + y * row;
        i64 sum = 0;
        for (i64 x = 0; x <= width; ++x) {
            unsigned w = 0;  // bit 4 z + 2 y + x
            for (int k = 0; k < 8; ++k)
                w |= (unsigned)(first[x + (k & 1) + (k >> 1 & 1) * row + (k >> 2) * plane] != 0) << k;
            if (w == 0) continue;
            // The last of the eight voxels counts for what ends there: three each of pairs and squares, and the cube.
            if (connectivity == 1) {
                sum += all_of(w, 0x80u) - all_of(w, 0x88u) - all_of(w, 0xA0u) - all_of(w, 0xC0u);
                sum += all_of(w, 0xAAu) + all_of(w, 0xCCu) + all_of(w, 0xF0u) - all_of(w, 0xFFu);
            } else {  // the corner in the middle, and the edges, faces and the cube that begin there
                sum += 1 - any_of(w, 0xAAu) - any_of(w, 0xCCu) - any_of(w, 0xF0u);
                sum += any_of(w, 0x88u) + any_of(w, 0xA0u) + any_of(w, 0xC0u) - any_of(w, 0x80u);
                if (diagonals) sum += w == 0x81u || w == 0x42u || w == 0x24u || w == 0x18u;
            }
        }
        if (sum != 0) atomicAdd((u64*)(sums + n), (u64)sum);
    }
}
