package dev.gatun.bench;

import java.io.IOException;
import java.io.UncheckedIOException;

/** The memory of this process. */
final class PeakMemory {
    private PeakMemory() {}

    /** Bytes resident at most so far, mapped files included; NaN where no one says. */
    static double bytes() {
        if (ProcStatus.exists()) {
            try {
                return ProcStatus.kilobytes("self", "VmHWM") * 1024.0;
            } catch (IOException e) {
                throw new UncheckedIOException("the memory of this process cannot be read", e);
            }
        }
        return Double.NaN;
    }
}
