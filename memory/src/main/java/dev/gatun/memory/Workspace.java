package dev.gatun.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Named buffers in one block of memory, sized once. A {@link Layout} says what will be taken, to the byte, before {@link
 * Layout#allocate} takes it; a step then finds its buffers by name and allocates nothing.
 */
public final class Workspace {
    private final Map<String, Tensor> buffers;
    private final long byteSize;

    private Workspace(Map<String, Tensor> buffers, long byteSize) {
        this.buffers = buffers;
        this.byteSize = byteSize;
    }

    /** The buffer called {@code name}, row-major, aligned to {@value Tensor#ALIGNMENT} bytes. */
    public Tensor get(String name) {
        Tensor tensor = buffers.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("workspace has no buffer " + name + ", only " + buffers.keySet());
        }
        return tensor;
    }

    /** Bytes taken: what the layout said. */
    public long byteSize() {
        return byteSize;
    }

    /** Collects buffers, tells their bytes, then allocates them. Not thread-safe. */
    public static final class Layout {
        private record Buffer(DType dtype, Shape shape) {
            long byteSize() {
                long mask = Tensor.ALIGNMENT - 1;
                return (shape.elements() * dtype.byteSize() + mask) & ~mask;
            }
        }

        private final Map<String, Buffer> buffers = new LinkedHashMap<>();

        /** A layout without buffers. */
        public Layout() {}

        /** Adds an F32 buffer. */
        public Layout f32(String name, int... dims) {
            return add(name, DType.F32, Shape.of(dims));
        }

        /** Adds a buffer; a name may be used once. */
        public Layout add(String name, DType dtype, Shape shape) {
            if (buffers.putIfAbsent(name, new Buffer(dtype, shape)) != null) {
                throw new IllegalArgumentException("workspace buffer " + name + " is already there");
            }
            return this;
        }

        /** Bytes that {@link #allocate} will take, each buffer rounded up to {@value Tensor#ALIGNMENT}. */
        public long byteSize() {
            return buffers.values().stream().mapToLong(Buffer::byteSize).reduce(0, Math::addExact);
        }

        /** Takes {@link #byteSize()} bytes, zeroed, for the life of {@code arena}. */
        public Workspace allocate(Arena arena) {
            MemorySegment block = arena.allocate(byteSize(), Tensor.ALIGNMENT);
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            long offset = 0;
            for (var entry : buffers.entrySet()) {
                Buffer buffer = entry.getValue();
                tensors.put(
                        entry.getKey(),
                        Tensor.of(block.asSlice(offset, buffer.byteSize()), buffer.dtype, buffer.shape));
                offset += buffer.byteSize();
            }
            return new Workspace(tensors, offset);
        }
    }
}
