package dev.gatun.model.weights;

import dev.gatun.memory.MappedFile;
import java.util.ArrayList;
import java.util.List;

/**
 * An array of metadata that still lies in its file, whose extent has been checked.
 *
 * @param type of its elements, a number of GGUF's
 * @param length elements
 * @param start byte of the first
 */
record GgufArray(MappedFile file, long type, long length, long start) {
    private static final int[] BYTES = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

    /** Bytes of an element; 0 for strings and arrays, and for types that do not exist. */
    static int elementBytes(long type) {
        return type >= 0 && type < BYTES.length ? BYTES[(int) type] : 0;
    }

    List<String> strings(String key) {
        if (type != 8) {
            throw new ModelFormatException(file.name() + ": metadata " + key + " is not an array of strings");
        }
        GgufCursor in = new GgufCursor(file, start);
        List<String> strings = new ArrayList<>();
        String what = "metadata " + key;
        for (long i = 0; i < length; i++) {
            strings.add(in.string(what, i, Integer.MAX_VALUE));
        }
        return strings;
    }

    double[] numbers(String key) {
        if (elementBytes(type) == 0 || length > Integer.MAX_VALUE - 8) {
            throw new ModelFormatException(file.name() + ": metadata " + key + " is not an array of numbers");
        }
        GgufCursor in = new GgufCursor(file, start);
        double[] numbers = new double[(int) length];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = switch ((int) type) {
                case 0, 7 -> in.u8(key);
                case 1 -> (byte) in.u8(key);
                case 2 -> in.u16(key);
                case 3 -> (short) in.u16(key);
                case 4 -> in.u32(key);
                case 5 -> (int) in.u32(key);
                case 6 -> Float.intBitsToFloat((int) in.u32(key));
                case 10, 11 -> in.u64(key);
                default -> Double.longBitsToDouble(in.u64(key));
            };
        }
        return numbers;
    }
}
