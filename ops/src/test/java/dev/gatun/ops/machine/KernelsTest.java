package dev.gatun.ops.machine;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kernels on awkward sizes, bit for bit, each operand right before or right behind a page that can't be touched. */
class KernelsTest {
    private static final long GUARDED = 1 << 18;

    private final SplittableRandom random = new SplittableRandom(1);
    private final List<GuardedMemory> guarded = new ArrayList<>();
    private boolean atEnd;

    private MemorySegment floats(long count) {
        var memory = new GuardedMemory(GUARDED);
        guarded.add(memory);
        MemorySegment segment = atEnd ? memory.last(count * Float.BYTES) : memory.first(count * Float.BYTES);
        for (long i = 0; i < count; i++) {
            segment.set(JAVA_FLOAT_UNALIGNED, i * Float.BYTES, (float) random.nextDouble(-1, 1));
        }
        return segment;
    }

    private void release() {
        guarded.forEach(GuardedMemory::close);
        guarded.clear();
    }

    private static float get(MemorySegment x, long i) {
        return x.get(JAVA_FLOAT_UNALIGNED, i * Float.BYTES);
    }

    private void product(F32Product product, Arena arena) {
        int lanes = product.lanes();
        int rows = random.nextInt(1, random.nextBoolean() ? 12 : 40);
        int cols = random.nextInt(1, 20 * lanes);
        int steps = random.nextInt(1, 70);
        boolean byColumns = random.nextInt(4) == 0;
        if (!product.hasMasks()) {
            cols = (cols + lanes - 1) / lanes * lanes;
        }
        int vectors = (cols + lanes - 1) / lanes;
        int flags = random.nextInt(32);
        if ((flags & F32Product.CONTINUE) != 0) {
            cols = Math.min(cols, product.panelCols());
        }
        if ((flags & F32Product.CORRECT) != 0) {
            flags &= F32Product.CORRECT;
            cols = (cols + lanes - 1) / lanes * lanes;
        }
        int aRow = (byColumns ? rows : steps) + random.nextInt(3);
        MemorySegment a = floats((byColumns ? steps - 1 : rows - 1) * (long) aRow + (byColumns ? rows : steps));
        MemorySegment b = floats((long) vectors * lanes * steps);
        MemorySegment bias = floats(cols);
        int cRow = cols + random.nextInt(3);
        long cSize = (rows - 1) * (long) cRow + cols;
        MemorySegment added = floats(cSize);
        MemorySegment c = floats(cSize);
        long sumsSize = (long) rows * product.panelCols();
        MemorySegment parameters = arena.allocate(F32Product.PARAMETER_BYTES + sumsSize * Float.BYTES, 64);
        MemorySegment sums = parameters.asSlice(F32Product.PARAMETER_BYTES);
        for (long i = 0; i < sumsSize; i++) {
            sums.set(JAVA_FLOAT_UNALIGNED, i * Float.BYTES, (float) random.nextDouble(-1, 1));
        }
        float[] expected = new float[rows * cols];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < cols; j++) {
                float before = get(c, (long) i * cRow + j);
                float sum = (flags & F32Product.CONTINUE) != 0 ? get(sums, (long) i * product.panelCols() + j) : 0f;
                for (int k = 0; k < steps; k++) {
                    float left = get(a, byColumns ? (long) k * aRow + i : (long) i * aRow + k);
                    sum = Math.fma(left, get(b, ((long) (j / lanes) * steps + k) * lanes + j % lanes), sum);
                }
                sum = (flags & F32Product.BIAS) != 0 ? sum + get(bias, j) : sum;
                sum = (flags & F32Product.ADD) != 0 ? sum + get(added, (long) i * cRow + j) : sum;
                sum = (flags & F32Product.MULTIPLY) != 0 ? before * sum : sum;
                sum = (flags & F32Product.CORRECT) != 0 ? Math.fma(before, get(bias, j), sum) : sum;
                expected[i * cols + j] = sum;
            }
        }
        product.multiply(
                parameters,
                rows,
                cols,
                steps,
                a,
                0,
                aRow * 4L,
                byColumns,
                b,
                0,
                lanes * 4L,
                (long) steps * lanes * 4,
                bias,
                0,
                added,
                0,
                cRow * 4L,
                flags,
                c,
                0,
                cRow * 4L);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < cols; j++) {
                assertThat(Float.floatToRawIntBits(get(c, (long) i * cRow + j)))
                        .as(
                                "%d x %d x %d, by columns %s, flags %d: element %d, %d",
                                rows, cols, steps, byColumns, flags, i, j)
                        .isEqualTo(Float.floatToRawIntBits(expected[i * cols + j]));
            }
        }
    }

    @Test
    void productsAreChainsOfMultiplyAddsAndTouchNothingElse() {
        for (int lanes : new int[] {16, 8}) {
            try (F32Product product = F32Product.open(MachineHost.open(), lanes);
                    Arena arena = Arena.ofConfined()) {
                for (int i = 0; i < 300; i++) {
                    atEnd = i % 2 == 0;
                    product(product, arena);
                    release();
                }
            } catch (MachineUnavailableException e) {
                System.err.println("no machine products of " + lanes + " lanes are tested: " + e.getMessage());
            }
        }
    }

    private static final List<BlockCodes> CODES = List.of(
            new BlockCodes(16, 2, false),
            new BlockCodes(8, 32, false),
            new BlockCodes(4, 32, false),
            new BlockCodes(4, 32, true),
            new BlockCodes(5, 32, false),
            new BlockCodes(5, 32, true),
            new BlockCodes(6, 16, false));

    /** Weight {@code i} of a column's lane, by the words of {@link BlockCodes}. */
    private static float weight(BlockCodes codes, MemorySegment w, long column, int lane, int i) {
        long group = column + i / codes.group() * codes.groupVectors() * 64L + lane * 4L;
        int at = i % codes.group();
        if (codes.bits() == 16) {
            int both = w.get(JAVA_INT_UNALIGNED, group);
            return Float.intBitsToFloat(at == 0 ? both << 16 : both & 0xFFFF0000);
        }
        float scale = w.get(JAVA_FLOAT_UNALIGNED, group);
        long next = group + 64;
        float min = -scale * (1 << codes.bits() - 1);
        if (codes.min()) {
            min = w.get(JAVA_FLOAT_UNALIGNED, next);
            next += 64;
        }
        int upper = 0;
        if (codes.highBits() > 0) {
            upper = w.get(JAVA_INT_UNALIGNED, next) >>> codes.highBits() * at & (1 << codes.highBits()) - 1;
            next += 64;
        }
        int word = w.get(JAVA_INT_UNALIGNED, next + at / codes.perInt() * 64L);
        int j = at % codes.perInt();
        int code = codes.bits() == 8
                ? Integer.rotateRight(word, 4 + 8 * j) & 0xFF
                : Integer.rotateRight(word, 8 + 4 * j) & 0xF;
        return Math.fma(code | upper << 4, scale, min);
    }

    @Test
    void rowsOfCompressedWeightsAreThoseOfTheFloatsTheyAre() {
        try (BlockProduct product = BlockProduct.open(MachineHost.open());
                Arena arena = Arena.ofConfined()) {
            MemorySegment parameters = arena.allocate(F32Product.PARAMETER_BYTES, 64);
            for (int turn = 0; turn < 70; turn++) {
                atEnd = turn % 2 == 0;
                BlockCodes codes = CODES.get(turn % CODES.size());
                int cols = random.nextInt(1, 200);
                int k = codes.group() * random.nextInt(1, 6);
                int vectors = (cols + 15) / 16;
                long columnBytes = codes.columnBytes(k);
                MemorySegment w = floats(vectors * columnBytes / 4);
                long codeFrom = codes.bits() == 16 ? 0 : codes.min() ? 128 : 64;
                for (long at = 0; codes.bits() < 16 && at < w.byteSize(); at += codes.groupVectors() * 64L) {
                    for (long j = 0; j < 64; j += 4) { // as precise as half floats
                        w.set(JAVA_INT_UNALIGNED, at + j, w.get(JAVA_INT_UNALIGNED, at + j) & 0xFFFFE000);
                    }
                    for (long j = codeFrom; j < codes.groupVectors() * 64L; j += 4) {
                        w.set(JAVA_INT_UNALIGNED, at + j, random.nextInt());
                    }
                }
                MemorySegment x = floats(k);
                MemorySegment bias = floats(cols);
                MemorySegment added = floats(cols);
                MemorySegment out = floats(cols);
                int flags = random.nextInt(8) << 1;
                int[] expected = new int[cols];
                for (int j = 0; j < cols; j++) {
                    float sum = 0f;
                    for (int i = 0; i < k; i++) {
                        sum = Math.fma(get(x, i), weight(codes, w, j / 16 * columnBytes, j % 16, i), sum);
                    }
                    sum = (flags & F32Product.BIAS) != 0 ? sum + get(bias, j) : sum;
                    sum = (flags & F32Product.ADD) != 0 ? sum + get(added, j) : sum;
                    sum = (flags & F32Product.MULTIPLY) != 0 ? get(out, j) * sum : sum;
                    expected[j] = Float.floatToRawIntBits(sum);
                }
                product.multiply(parameters, codes, cols, k, x, 0, w, 0, bias, 0, added, 0, flags, out, 0);
                MemorySegment decoded = floats(k * 16);
                for (int v = 0; v < vectors; v++) {
                    product.decode(parameters, codes, k, w, v * columnBytes, decoded, 0);
                    for (int i = 0; i < k * 16; i++) {
                        float weight = weight(codes, w, v * columnBytes, i % 16, i / 16);
                        assertThat(Float.floatToRawIntBits(get(decoded, i))).isEqualTo(Float.floatToRawIntBits(weight));
                    }
                }
                for (int j = 0; j < cols; j++) {
                    assertThat(Float.floatToRawIntBits(get(out, j)))
                            .as("%s, %d columns of %d, flags %d: element %d", codes, cols, k, flags, j)
                            .isEqualTo(expected[j]);
                }
                release();
            }
        } catch (MachineUnavailableException e) {
            System.err.println("no machine rows of compressed weights are tested: " + e.getMessage());
        }
    }

    private static final Int8Product.Rounding ROUNDING =
            new Int8Product.Rounding(0x1.8p23f + 128, 127f, 1 / 127f, 0x1p-100f);

    /** Byte {@code i} of a block's codes: four of a dword are 16 floats apart. */
    private static int place(int i) {
        return i % 16 * 4 + i / 16;
    }

    @Test
    void rowsAreQuantizedInBlocks() {
        try (Int8Product product = Int8Product.open(MachineHost.open(), ROUNDING)) {
            for (int turn = 0; turn < 200; turn++) {
                atEnd = turn % 2 == 0;
                int rows = random.nextInt(1, 5);
                int k = random.nextInt(1, 300);
                int blocks = (k + 63) / 64;
                int stride = k + random.nextInt(3);
                MemorySegment x = floats((rows - 1) * (long) stride + k);
                if (turn % 5 == 0) {
                    float[] odd = {0f, -0f, 1e-38f, Float.MIN_VALUE, Float.POSITIVE_INFINITY, Float.NaN, Float.MAX_VALUE
                    };
                    x.set(JAVA_FLOAT_UNALIGNED, random.nextInt(k) * 4L, odd[turn / 5 % odd.length]);
                }
                long codesAt = Int8Product.PARAMETER_BYTES;
                long scalesAt = codesAt + (long) rows * blocks * 64;
                MemorySegment scratch = floats((scalesAt + (long) rows * blocks * 4 + 60) / 64 * 16);
                product.quantize(scratch, rows, k, x, 0, stride * 4L, codesAt, scalesAt);
                for (int i = 0; i < rows * blocks; i++) {
                    int row = i / blocks;
                    int block = i % blocks;
                    float most = 0f;
                    for (int j = block * 64; j < Math.min(k, block * 64 + 64); j++) {
                        most = Math.max(most, Math.abs(get(x, (long) row * stride + j)));
                    }
                    boolean finite = Float.isFinite(most);
                    boolean small = most < 0x1p-100f;
                    float scale = !finite ? Float.NaN : small ? 0f : most * (1 / 127f);
                    float inverse = small ? 0f : 127 / most;
                    assertThat(scratch.get(JAVA_INT_UNALIGNED, scalesAt + (block * (long) rows + row) * 4))
                            .isEqualTo(Float.floatToRawIntBits(scale));
                    for (int j = 0; finite && j < 64; j++) {
                        int at = block * 64 + j;
                        double scaled = at < k ? get(x, (long) row * stride + at) * (double) inverse : 0;
                        assertThat(scratch.get(JAVA_BYTE, codesAt + i * 64L + place(j)) & 0xFF)
                                .isEqualTo((int) Math.rint(scaled) + 128);
                    }
                }
                release();
            }
        } catch (MachineUnavailableException e) {
            System.err.println("no machine code that quantises is tested: " + e.getMessage());
        }
    }

    private void int8Product(Int8Product product) {
        int rows = random.nextInt(1, random.nextBoolean() ? 12 : 40);
        int cols = random.nextInt(1, 330);
        int blocks = random.nextInt(1, 5);
        int flags = random.nextInt(8) << 1;
        int scaleRows = rows + random.nextInt(3);
        int columns = (cols + 15) / 16;
        long columnBytes = blocks * 1088L + 64;
        MemorySegment weights = floats(columns * columnBytes / 4);
        MemorySegment bias = floats(cols);
        int cRow = cols + random.nextInt(3);
        long cSize = (rows - 1) * (long) cRow + cols;
        MemorySegment added = floats(cSize);
        MemorySegment c = floats(cSize);
        long codesAt = Int8Product.PARAMETER_BYTES;
        long scalesAt = codesAt + (long) rows * blocks * 64;
        MemorySegment scratch = floats((scalesAt + (long) scaleRows * blocks * 4 + 60) / 64 * 16);
        for (long i = codesAt; i < scalesAt; i++) {
            scratch.set(JAVA_BYTE, i, (byte) random.nextInt(1, 256));
        }
        for (long i = 0; i < weights.byteSize() - 64; i++) {
            boolean scale = i % columnBytes >= columnBytes - 64;
            if (!scale) {
                weights.set(JAVA_BYTE, i, (byte) random.nextInt(-127, 128));
            }
        }
        int[] expected = new int[rows * cols];
        for (int j = 0; j < cols; j++) {
            long column = j / 16 * columnBytes + j % 16 * 4;
            for (int b = 0; b < blocks; b++) {
                int sum = 0;
                for (int s = 0; s < 64; s++) {
                    sum += weights.get(JAVA_BYTE, column + b * 1088L + 64 + s / 4 * 64L + s % 4);
                }
                weights.set(JAVA_INT_UNALIGNED, column + b * 1088L, -128 * sum);
            }
            for (int i = 0; i < rows; i++) {
                float y = 0f;
                for (int b = 0; b < blocks; b++) {
                    int sum = 0;
                    for (int s = 0; s < 64; s++) {
                        int code = (scratch.get(JAVA_BYTE, codesAt + ((long) i * blocks + b) * 64 + s) & 0xFF) - 128;
                        sum += code * weights.get(JAVA_BYTE, column + b * 1088L + 64 + s / 4 * 64L + s % 4);
                    }
                    float scale = scratch.get(JAVA_FLOAT_UNALIGNED, scalesAt + ((long) b * scaleRows + i) * 4);
                    y = Math.fma((float) sum, scale, y);
                }
                y *= weights.get(JAVA_FLOAT_UNALIGNED, column + blocks * 1088L);
                y = (flags & F32Product.BIAS) != 0 ? y + get(bias, j) : y;
                y = (flags & F32Product.ADD) != 0 ? y + get(added, (long) i * cRow + j) : y;
                y = (flags & F32Product.MULTIPLY) != 0 ? get(c, (long) i * cRow + j) * y : y;
                expected[i * cols + j] = Float.floatToRawIntBits(y);
            }
        }
        product.multiply(
                scratch, rows, cols, blocks, codesAt, scalesAt, scaleRows, weights, 0, bias, 0, added, 0, cRow * 4L,
                flags, c, 0, cRow * 4L);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < cols; j++) {
                assertThat(Float.floatToRawIntBits(get(c, (long) i * cRow + j)))
                        .as("%d x %d, %d blocks, flags %d: element %d, %d", rows, cols, blocks, flags, i, j)
                        .isEqualTo(expected[i * cols + j]);
            }
        }
    }

    @Test
    void productsOfBytesAreExactSumsAndTouchNothingElse() {
        try (Int8Product product = Int8Product.open(MachineHost.open(), ROUNDING)) {
            for (int i = 0; i < 200; i++) {
                atEnd = i % 2 == 0;
                int8Product(product);
                release();
            }
        } catch (MachineUnavailableException e) {
            System.err.println("no machine products of bytes are tested: " + e.getMessage());
        }
    }

    @Test
    void columnsAreRowsAnywhereAndBackDividedBySums() {
        int side = QueryColumns.SIDE;
        int step = 5 * side; // floats
        try (QueryColumns code = QueryColumns.open(MachineHost.open(), step * Float.BYTES);
                Arena arena = Arena.ofConfined()) {
            MemorySegment parameters = arena.allocate(QueryColumns.PARAMETER_BYTES, 64);
            for (int turn = 0; turn < 40; turn++) {
                atEnd = turn % 2 == 0;
                int squares = random.nextInt(1, 6);
                int dimensions = side * squares;
                int row = dimensions + random.nextInt(3);
                int count = random.nextInt(1, side + 1); // the others are the last one again
                long[] rows = new long[side + 2];
                for (int i = 0; i < side; i++) {
                    rows[2 + i] = Math.min(i, count - 1) * 4L * row;
                }
                MemorySegment byRows = floats((count - 1L) * row + dimensions);
                MemorySegment columns = floats((dimensions - 1L) * step + side);
                code.fromRows(parameters, squares, 3f, byRows, rows, 2, columns, 0);
                for (int d = 0; d < dimensions; d++) {
                    for (int i = 0; i < side; i++) {
                        assertThat(get(columns, (long) d * step + i)).isEqualTo(3f * get(byRows, rows[2 + i] / 4 + d));
                    }
                }
                MemorySegment context = floats(side + (dimensions - 1L) * step + side);
                for (int i = 0; i < side; i += 5) { // sums come first
                    context.set(JAVA_FLOAT_UNALIGNED, i * 4L, i % 2 == 0 ? 0f : -0f);
                    context.set(JAVA_FLOAT_UNALIGNED, (side + i) * 4L, i % 2 == 0 ? -0f : Float.NaN);
                }
                context.set(JAVA_FLOAT_UNALIGNED, (side + 1) * 4L, -0f);
                MemorySegment out = floats((count - 1L) * row + dimensions);
                code.toRows(parameters, squares, context, side * 4L, 0, out, rows, 2);
                for (int i = 0; i < count; i++) {
                    float sum = get(context, i);
                    for (int d = 0; d < dimensions; d++) {
                        float expected = sum == 0f ? 0f : get(context, side + (long) d * step + i) * (1f / sum) + 0f;
                        assertThat(Float.floatToRawIntBits(get(out, (long) i * row + d)))
                                .isEqualTo(Float.floatToRawIntBits(expected));
                    }
                }
                rows[1 + side] += 4L * row * side;
                assertThatThrownBy(() -> code.fromRows(parameters, squares, 1f, byRows, rows, 2, columns, 0))
                        .isInstanceOf(IndexOutOfBoundsException.class)
                        .hasMessageStartingWith("attention's columns: " + squares + " squares, rows from 0 to ");
                assertThatThrownBy(() -> code.toRows(parameters, squares, columns, 64, 0, byRows, rows, 0))
                        .isInstanceOf(IndexOutOfBoundsException.class);
                release();
            }
        } catch (MachineUnavailableException e) {
            System.err.println("machine code for attention's columns is not tested: " + e.getMessage());
        }
    }

    @Test
    @SuppressWarnings("try") // closes early, to see what calls do then
    void operandsBeyondTheirSegmentsAreRefused() {
        try (F32Product product = F32Product.open(MachineHost.open(), 16);
                Arena arena = Arena.ofConfined()) {
            MemorySegment p = arena.allocate(F32Product.PARAMETER_BYTES, 64);
            MemorySegment x = arena.allocate(64, 64);
            MemorySegment none = MemorySegment.NULL;
            assertThatThrownBy(() -> product.multiply(
                            p, 1, 16, 2, x, 0, 8, false, x, 0, 64, 128, none, 0, none, 0, 0, 0, x, 0, 64))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessage(
                            "machine product: b of 2 x 16 floats, 64 bytes apart from 0 on, is not within 64 bytes");
            assertThatThrownBy(() -> product.multiply(
                            p, 1, 16, 1, x, 64, 8, false, x, 0, 64, 64, none, 0, none, 0, 0, 0, x, 0, 64))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            product.close();
            assertThatThrownBy(() -> product.multiply(
                            p, 1, 16, 1, x, 0, 4, false, x, 0, 64, 64, none, 0, none, 0, 0, 0, x, 0, 64))
                    .isInstanceOf(IllegalStateException.class);
        } catch (MachineUnavailableException e) {
            System.err.println("no machine products of 16 lanes are tested: " + e.getMessage());
        }
    }

    @Test
    void codeCannotBeWrittenOnceItCanBeRun() {
        var named = new NamedCode("test");
        named.begin("return").ret();
        try (CodeMemory code = CodeMemory.of(PageCalls.ofThisSystem(), CodeMap.ofProperty(), named)) {
            assertThat(code.entry(0).byteSize()).isEqualTo(1);
            String line = Files.readAllLines(Path.of("/proc/self/maps")).stream()
                    .filter(l -> l.startsWith(Long.toHexString(code.entry(0).address())))
                    .findFirst()
                    .orElseThrow();
            assertThat(line).contains(" r-xp ");
            // Where the kernel was built with names for such memory.
            assertThat(line).matches(".*(gatun test\\]|[0-9] *)");
        } catch (IOException e) {
            System.err.println("no /proc: the protection of pages was not looked at");
        }
    }

    @Test
    void whereCodeIsCanBeFound(@TempDir Path folder) throws IOException {
        Path map = folder.resolve("perf-%p.map");
        System.setProperty(CodeMap.PROPERTY, map.toString());
        try (var recording = new Recording()) {
            recording.enable("dev.gatun.MachineCode");
            recording.start();
            RowKernels.open(MachineHost.open(), ROW_CONSTANTS).close();
            recording.stop();
            Path file = folder.resolve("perf-" + ProcessHandle.current().pid() + ".map");
            assertThat(Files.readAllLines(file))
                    .anyMatch(line -> line.matches("[0-9a-f]+ [0-9a-f]+ gatun rows rms norm"));
            Path events = folder.resolve("code.jfr");
            recording.dump(events);
            assertThat(RecordingFile.readAllEvents(events)).anySatisfy(event -> {
                assertThat(event.getString("function")).isEqualTo("rows rms norm");
                assertThat(event.getLong("address")).isNotZero();
                assertThat(event.getLong("size")).isPositive();
            });
        } catch (MachineUnavailableException e) {
            System.err.println("tested without machine code for rows: " + e.getMessage());
        } finally {
            System.clearProperty(CodeMap.PROPERTY);
        }
    }

    @Test
    void featuresAreReadFromTheBitsOfTheManual() {
        int[] leaf1 = {0, 0, 1 << 27 | 1 << 28 | 1 << 12, 0};
        int[] leaf7 = {1, 1 << 5 | 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31, 1 << 11, 1 << 22 | 1 << 24 | 1 << 25};
        CpuFeatures.Cpuid cpuid = (leaf, subleaf, register) -> leaf == 0
                ? 7
                : leaf == 1 ? leaf1[register] : subleaf == 0 ? leaf7[register] : register == 0 ? 1 << 5 : 0;
        assertThat(CpuFeatures.read(cpuid, () -> 0x600E7))
                .isEqualTo(new CpuFeatures(true, true, true, true, true, true));
        assertThat(CpuFeatures.read(cpuid, () -> 0xE7))
                .isEqualTo(new CpuFeatures(true, true, true, true, false, false));
        assertThat(CpuFeatures.read(cpuid, () -> 0x7))
                .isEqualTo(new CpuFeatures(true, false, false, false, false, false));
        leaf1[2] = 0;
        assertThat(CpuFeatures.read(cpuid, () -> {
                    throw new AssertionError("XGETBV must not be run");
                }))
                .isEqualTo(new CpuFeatures(false, false, false, false, false, false));
    }

    private static final RowKernels.Constants ROW_CONSTANTS = new RowKernels.Constants(
            new ScoreSoftmax.Exp(1.4f, 0x1.8p23f + 127, -0.7f, 0.1f, 0.2f, 0.3f, 0.5f, -87f),
            new RowKernels.Exp(1.4f, 0x1.8p23f, -0.7f, 0f, List.of(0.1f, 0.2f, 0.3f, 0.4f, 0.5f), -87f),
            new RowKernels.Gelu(
                    List.of(0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f),
                    List.of(0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f),
                    0x1.8p23f,
                    5.6f),
            List.of(-1.6f, -0.07f),
            -1.7f,
            88f,
            10f,
            0x1p-80f);

    /** What they compute is {@code RowsBitsTest}'s; here a read or write beyond an operand ends the process. */
    @Test
    void rowsReadAndWriteNothingBeyondTheirOperands() {
        int[] widths = {1, 2, 15, 16, 17, 31, 32, 33, 70};
        try (RowKernels kernels = RowKernels.open(MachineHost.open(), ROW_CONSTANTS);
                GuardedMemory xs = new GuardedMemory(5 * 70 * 4);
                GuardedMemory bs = new GuardedMemory(5 * 70 * 4);
                GuardedMemory cs = new GuardedMemory(5 * 70 * 4);
                GuardedMemory outs = new GuardedMemory(5 * 70 * 4)) {
            for (int rows = 1; rows <= 5; rows++) {
                for (int cols : widths) {
                    long stride = cols * 4L;
                    long bytes = rows * stride;
                    for (boolean last : new boolean[] {false, true}) {
                        MemorySegment x = last ? xs.last(bytes) : xs.first(bytes);
                        MemorySegment b = last ? bs.last(bytes) : bs.first(bytes);
                        MemorySegment out = last ? outs.last(bytes) : outs.first(bytes);
                        MemorySegment weight = last ? bs.last(stride) : bs.first(stride);
                        MemorySegment bias = last ? cs.last(stride) : cs.first(stride);
                        for (RowKernels.Function function : RowKernels.Function.values()) {
                            kernels.apply(function, 1, 1, x, 0, stride, out, 0, stride, rows, cols);
                        }
                        for (RowKernels.Pair pair : RowKernels.Pair.values()) {
                            kernels.combine(pair, x, 0, stride, b, 0, stride, out, 0, stride, rows, cols);
                            kernels.combine(pair, x, 0, stride, weight, 0, 0, out, 0, stride, rows, cols);
                        }
                        kernels.layerNorm(x, 0, stride, weight, 0, bias, 0, 1e-5f, out, 0, stride, rows, cols);
                        kernels.layerNorm(x, 0, stride, weight, 0, null, 0, 1e-5f, out, 0, stride, rows, cols);
                        kernels.rmsNorm(x, 0, stride, weight, 0, 1e-5f, out, 0, stride, rows, cols);
                        assertThat(kernels.argMax(x, 0, cols)).isBetween(0, cols - 1);
                        assertThat(kernels.sumOfExp(x, 0, cols)).isNotZero();
                        int turned = cols / 2 * 2;
                        long angles = turned / 2 * 4L;
                        MemorySegment cos = last ? bs.last(rows * angles) : bs.first(rows * angles);
                        MemorySegment sin = last ? cs.last(rows * angles) : cs.first(rows * angles);
                        for (boolean pairs : new boolean[] {false, true}) {
                            kernels.rope(pairs, x, 0, stride, cos, 0, sin, 0, angles, turned, out, 0, stride, rows);
                        }
                    }
                }
            }
            MemorySegment short1 = xs.last(4 * 16 - 4);
            assertThatThrownBy(() ->
                            kernels.apply(RowKernels.Function.RELU, 0, 0, short1, 0, 64, outs.last(64), 0, 64, 1, 16))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessageContaining("rows: x [1, 16]");
        } catch (MachineUnavailableException e) {
            System.err.println("tested without machine code for rows: " + e.getMessage());
        }
    }
}
