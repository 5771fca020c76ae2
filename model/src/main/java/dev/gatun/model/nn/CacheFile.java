package dev.gatun.model.nn;

import dev.gatun.memory.AtomicFile;
import dev.gatun.memory.MappedFile;
import dev.gatun.memory.RowFormat;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.PagedKvCache.Layout;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.Sha256;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * A sequence's keys and values in a file, laid out as a cache for one sequence has them in memory, so that such a cache is the file
 * mapped: pages that are written to become the process's own, the file stays. Little-endian:
 *
 * <pre>
 * 8  "GATUNKV" and the version of the format
 * 4  bytes of the header, from here to its end
 * 32 SHA-256 of the model      32 SHA-256 of the tokenizer
 * 4  positions that a sequence may have (nCtx)      4 tokens of a step (chunk)      4 tokens (length)
 * 4  format of a row of keys or values: 0 F32, 1 F16, 2 BF16, 3 Q8_0
 * 4  pools; of each: first page, pages
 *    ids                       4 and the bytes of a note
 *    CRC-32C of every page of keys, then of values, by pool, layer and page
 * 32 SHA-256 of all before
 *    zeros up to a multiple of 4096; then by pool and layer the slots of the keys, and of the values
 * </pre>
 */
public final class CacheFile {
    private static final byte[] MAGIC = {'G', 'A', 'T', 'U', 'N', 'K', 'V', 2};
    private static final int FIXED = MAGIC.length + 4 + 32 + 32 + 5 * 4;
    private static final int HASH = 32;
    private static final long ALIGNMENT = 4096;

    /** By the numbers that files have them under. */
    private static final List<RowFormat> FORMATS =
            List.of(RowFormat.F32, RowFormat.F16, RowFormat.BF16, RowFormat.Q8_0);

    /** A note has no more bytes. */
    public static final int MAX_NOTE = 64 << 20;

    /** Tokens that a step of a session with a restored cache has at most. */
    public static final int CHUNK = PagedKvCache.PAGE;

    private CacheFile() {}

    /**
     * What a file's header says, checked as far as the file alone allows.
     *
     * @param nCtx positions that the sequence may have
     * @param length tokens that it has
     * @param format of keys and values
     * @param note what was saved beside it
     */
    public record Header(
            Path path,
            Fingerprint fingerprint,
            int nCtx,
            int chunk,
            int length,
            RowFormat format,
            Pages[] pools,
            int[] ids,
            byte[] note,
            int[] checksums,
            long dataAt) {
        /**
         * Pages that a pool has.
         *
         * @param first its number in the sequence
         */
        public record Pages(int first, int count) {}
    }

    /** The layout of a cache for one sequence. */
    public static Layout layoutOfOne(Layout of, int nCtx, int chunk) {
        return new Layout(
                of.windows(),
                of.nKvHeads(),
                of.headDim(),
                1,
                nCtx,
                chunk,
                PagedKvCache.pagesOf(nCtx),
                CacheSettings.DEFAULT.with(of.settings().format()));
    }

    private static long align(long at) {
        return (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    /**
     * Saves a sequence, in the place of a file that is there.
     *
     * @param note anything, {@value #MAX_NOTE} bytes at most
     * @throws IOException if it cannot be written; a file that was there is as it was
     */
    static void write(
            PagedKvCache cache, PagedKvCache.Sequence sequence, Fingerprint fingerprint, byte[] note, Path path)
            throws IOException {
        if (note.length > MAX_NOTE) {
            throw new IllegalArgumentException("note of " + note.length + " bytes: at most " + MAX_NOTE);
        }
        Layout own = cache.layout();
        int nCtx = own.nCtx();
        Layout layout = layoutOfOne(own, nCtx, Math.min(nCtx, CHUNK));
        int pools = layout.pools().size();
        int length = sequence.length();
        int used = Math.ceilDiv(length, PagedKvCache.pageRows(nCtx));
        int[] first = new int[pools];
        int checksums = 0;
        for (int p = 0; p < pools; p++) {
            first[p] =
                    Math.min(used, PagedKvCache.firstSeen(layout.pools().get(p), length) / PagedKvCache.pageRows(nCtx));
            checksums += 2 * layout.layersOf(p) * (used - first[p]);
        }
        int headerBytes = Math.toIntExact(FIXED + 8L * pools + 4L * length + 4L + note.length + 4L * checksums + HASH);
        ByteBuffer header = ByteBuffer.allocate(headerBytes).order(ByteOrder.LITTLE_ENDIAN);
        header.put(MAGIC).putInt(headerBytes - MAGIC.length - 4);
        header.put(HexFormat.of().parseHex(fingerprint.model()));
        header.put(HexFormat.of().parseHex(fingerprint.tokenizer()));
        header.putInt(nCtx).putInt(layout.chunk()).putInt(length);
        header.putInt(FORMATS.indexOf(layout.settings().format())).putInt(pools);
        for (int p = 0; p < pools; p++) {
            header.putInt(first[p]).putInt(used - first[p]);
        }
        for (int id : sequence.ids()) {
            header.putInt(id);
        }
        header.putInt(note.length).put(note);
        AtomicFile.write(path, channel -> {
            long at = align(headerBytes);
            for (int p = 0; p < pools; p++) {
                for (int layer = 0; layer < layout.windows().size(); layer++) {
                    if (layout.poolOf(layer) == p) {
                        for (int values = 0; values < 2; values++) {
                            write(cache, sequence, layer, values == 1, first[p], used, channel, at, header);
                            at += layout.layerBytes(p);
                        }
                    }
                }
            }
            header.put(HexFormat.of()
                    .parseHex(Sha256.of(MemorySegment.ofArray(header.array()).asSlice(0, header.position()))));
            put(channel, header.flip(), 0);
            if (channel.size() < at) { // the rest are pages that are not there
                put(channel, ByteBuffer.allocate(1), at - 1);
            }
        });
    }

    private static void write(
            PagedKvCache cache,
            PagedKvCache.Sequence sequence,
            int layer,
            boolean values,
            int first,
            int used,
            FileChannel channel,
            long at,
            ByteBuffer header)
            throws IOException {
        for (int i = first; i < used; i++) {
            ByteBuffer page = bytes(values ? cache.values(layer) : cache.keys(layer), cache.slot(sequence, layer, i));
            header.putInt(crc(page));
            put(channel, page, at + (long) (i - first) * page.capacity());
        }
    }

    private static ByteBuffer bytes(Tensor t, int slot) {
        long bytes = t.stride(0) * t.dtype().byteSize();
        return t.segment().asSlice(slot * bytes, bytes).asByteBuffer();
    }

    private static int crc(ByteBuffer page) {
        var crc = new CRC32C();
        crc.update(page);
        page.rewind();
        return (int) crc.getValue();
    }

    private static void put(FileChannel channel, ByteBuffer bytes, long at) throws IOException {
        long to = at;
        while (bytes.hasRemaining()) {
            to += channel.write(bytes, to);
        }
    }

    /**
     * Reads a header.
     *
     * @throws IOException if there is no file or it cannot be read
     * @throws ModelFormatException if it is none of ours, damaged, or of another version
     */
    public static Header read(Path path) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment file = MappedFile.open(path, arena).segment();
            if (file.byteSize() < FIXED) {
                throw bad(path, "no saved session: " + file.byteSize() + " bytes are less than a header");
            }
            byte[] magic = file.asSlice(0, MAGIC.length).toArray(ValueLayout.JAVA_BYTE);
            for (int i = 0; i < MAGIC.length; i++) {
                if (magic[i] != MAGIC[i]) {
                    throw bad(
                            path,
                            i < MAGIC.length - 1
                                    ? "no saved session"
                                    : "a saved session of format " + magic[i] + ", this is for " + MAGIC[i]);
                }
            }
            long end = file.get(ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), MAGIC.length)
                    + MAGIC.length
                    + 4L;
            if (end < FIXED + HASH || end > file.byteSize()) {
                throw bad(path, "its header has " + end + " bytes, the file " + file.byteSize());
            }
            ByteBuffer header = ByteBuffer.wrap(file.asSlice(0, end).toArray(ValueLayout.JAVA_BYTE))
                    .order(ByteOrder.LITTLE_ENDIAN);
            String hash = Sha256.of(file.asSlice(0, end - HASH));
            if (!hash.equals(HexFormat.of().formatHex(header.array(), (int) end - HASH, (int) end))) {
                throw bad(path, "damaged: its header does not have the hash that it says");
            }
            return header(path, header.limit((int) end - HASH).position(MAGIC.length + 4));
        }
    }

    private static Header header(Path path, ByteBuffer header) {
        Fingerprint fingerprint = new Fingerprint(hex(header), hex(header));
        int nCtx = header.getInt();
        int chunk = header.getInt();
        int length = header.getInt();
        int format = header.getInt();
        int pools = header.getInt();
        if (format < 0 || format >= FORMATS.size()) {
            throw bad(path, "keys and values of format " + format + ", which there is not");
        }
        if (nCtx < 1 || chunk < 1 || chunk > Math.min(nCtx, CHUNK) || length < 0 || length > nCtx) {
            throw bad(path, length + " tokens of " + nCtx + " positions in steps of " + chunk);
        }
        if (pools < 1 || pools > 1000 || header.remaining() < 8L * pools + 4L * length + 4) {
            throw bad(path, pools + " pools and " + length + " tokens do not fit into its header");
        }
        Header.Pages[] pages = new Header.Pages[pools];
        int used = Math.ceilDiv(length, PagedKvCache.pageRows(nCtx));
        for (int p = 0; p < pools; p++) {
            pages[p] = new Header.Pages(header.getInt(), header.getInt());
            if (pages[p].first < 0 || pages[p].count < 0 || (long) pages[p].first + pages[p].count != used) {
                throw bad(path, "pages " + pages[p] + " of " + length + " tokens");
            }
        }
        int[] ids = new int[length];
        for (int i = 0; i < length; i++) {
            ids[i] = header.getInt();
        }
        int noteBytes = header.getInt();
        if (noteBytes < 0 || noteBytes > Math.min(MAX_NOTE, header.remaining())) {
            throw bad(path, "a note of " + noteBytes + " bytes");
        }
        byte[] note = new byte[noteBytes];
        header.get(note);
        if (header.remaining() % 4 != 0) {
            throw bad(path, "a header with " + header.remaining() + " bytes of checksums");
        }
        int[] checksums = new int[header.remaining() / 4];
        for (int i = 0; i < checksums.length; i++) {
            checksums[i] = header.getInt();
        }
        return new Header(
                path,
                fingerprint,
                nCtx,
                chunk,
                length,
                FORMATS.get(format),
                pages,
                ids,
                note,
                checksums,
                align(header.limit() + HASH));
    }

    private static String hex(ByteBuffer header) {
        byte[] hash = new byte[HASH];
        header.get(hash);
        return HexFormat.of().formatHex(hash);
    }

    private static ModelFormatException bad(Path path, String what) {
        return new ModelFormatException(path + ": " + what);
    }

    /**
     * Refuses a file of another model, or with ids that there are not.
     *
     * @throws ModelFormatException if it does not fit
     */
    public static void check(Header header, Fingerprint own, int positions, int vocab) {
        if (!header.fingerprint.model().equals(own.model())) {
            throw bad(header.path, "a session with another model, or with its weights in another format");
        }
        if (!header.fingerprint.tokenizer().equals(own.tokenizer())) {
            throw bad(header.path, "a session with another tokenizer");
        }
        if (header.nCtx > positions) {
            throw bad(header.path, header.nCtx + " positions, the model has " + positions);
        }
        for (int id : header.ids) {
            if (id < 0 || id >= vocab) {
                throw bad(header.path, "id " + id + " is not 0 to " + (vocab - 1));
            }
        }
    }

    /**
     * Maps the file as a cache for one sequence, copy on write. The file has to stay as it is; one that is saved anew is another.
     *
     * @param layout {@link #layoutOfOne} of the model and what the header says
     * @throws IOException if it cannot be mapped
     * @throws ModelFormatException if it does not fit the layout, or a page is damaged
     */
    static PagedKvCache map(Header header, Layout layout, Arena arena) throws IOException {
        int pools = layout.pools().size();
        int rows = PagedKvCache.pageRows(header.nCtx);
        if (header.pools.length != pools) {
            throw bad(header.path, header.pools.length + " pools of pages, the model has " + pools);
        }
        long checksums = 0;
        long size = header.dataAt;
        for (int p = 0; p < pools; p++) {
            Header.Pages pages = header.pools[p];
            int seen = PagedKvCache.firstSeen(layout.pools().get(p), header.length) / rows;
            if (pages.first > seen || pages.count > layout.slotsOf(p)) {
                throw bad(header.path, "pages " + pages + " of " + layout.slotsOf(p) + ", queries see page " + seen);
            }
            checksums += 2L * layout.layersOf(p) * pages.count;
            size = Math.addExact(size, Math.multiplyExact(layout.layerBytes(p), 2L * layout.layersOf(p)));
        }
        if (checksums != header.checksums.length) {
            throw bad(header.path, header.checksums.length + " checksums for " + checksums + " pages");
        }
        MemorySegment file;
        try (FileChannel channel = FileChannel.open(header.path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            if (channel.size() != size) {
                throw bad(header.path, channel.size() + " bytes, its header asks for " + size);
            }
            file = channel.map(FileChannel.MapMode.PRIVATE, 0, size, arena);
        }
        PagePool[] made = new PagePool[pools];
        long at = header.dataAt;
        int next = 0;
        for (int p = 0; p < pools; p++) {
            Shape shape = layout.shape(p);
            Tensor[][] tensors = new Tensor[2][layout.layersOf(p)];
            for (int i = 0; i < tensors[0].length; i++) {
                for (Tensor[] half : tensors) {
                    half[i] = Tensor.of(file.asSlice(at, layout.layerBytes(p)), header.format.dtype(), shape);
                    at += layout.layerBytes(p);
                    for (int page = 0; page < header.pools[p].count; page++) {
                        if (crc(bytes(half[i], page)) != header.checksums[next++]) {
                            throw bad(
                                    header.path, "damaged: page " + page + " of layer " + i + " has another checksum");
                        }
                    }
                }
            }
            made[p] = new PagePool(tensors[0], tensors[1], layout.pagesOf(p), null, 0);
        }
        return PagedKvCache.of(layout, made);
    }
}
