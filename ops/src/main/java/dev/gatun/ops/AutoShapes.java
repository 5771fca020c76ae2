package dev.gatun.ops;

/** Classes of rows, and of keys: 0 and 1; 2; 3 and 4; 5 to 8; then up to each power of two; beyond 256 one class, as one speed. */
final class AutoShapes {
    /** How many classes of rows there are. */
    static final int ROWS = 10;

    /** How many classes of keys there are: tiles of up to 256 keys, then any number of them. */
    static final int KEYS = 10;

    private AutoShapes() {}

    static int ofRows(int m) {
        return Math.min(ROWS - 1, logarithm(m));
    }

    static int ofKeys(int keys) {
        return Math.min(KEYS - 1, logarithm(keys));
    }

    /** Of base 2, rounded up. */
    private static int logarithm(int value) {
        return value <= 1 ? 0 : Integer.SIZE - Integer.numberOfLeadingZeros(value - 1);
    }

    /** Least value of a class. */
    static int from(int shapeClass) {
        return shapeClass == 0 ? 0 : (1 << shapeClass - 1) + 1;
    }

    /** Greatest value of a class, of which there are {@code classes}. */
    static int to(int shapeClass, int classes) {
        return shapeClass == classes - 1 ? Integer.MAX_VALUE : 1 << shapeClass;
    }
}
