package dev.gatun.ops;

import dev.gatun.openblas.BlasStatus;
import dev.gatun.ops.internal.StoredLayouts;
import dev.gatun.ops.internal.VectorMatMul;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;

/** What measured times depend on, but for the shape. */
final class MachineKey {
    private MachineKey() {}

    /** CPU, JVM, vector width, our kernels, BLAS and threads, in one line. */
    static String of(BlasStatus blas, int threads) throws IOException {
        return String.join(
                "; ",
                cpu(Path.of("/proc/cpuinfo")),
                System.getProperty("os.arch") + " " + System.getProperty("os.name"),
                System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version") + " "
                        + System.getProperty("java.vm.info"),
                StoredLayouts.vectorBits() + " bits",
                "gatun " + version() + " " + kernels(),
                blas.origin() + " " + blas.config() + " " + blas.coreName(),
                threads + " threads");
    }

    /** The first processor's name and features, as Linux has them; elsewhere what the environment says. */
    static String cpu(Path cpuInfo) throws IOException {
        List<String> parts = new ArrayList<>();
        if (Files.isReadable(cpuInfo)) {
            for (String line : Files.readAllLines(cpuInfo)) {
                if (line.isEmpty()) {
                    break; // the first processor ends here
                }
                if (line.matches("(model name|cpu MHz max|CPU (implementer|part|variant)|cache size)\\s*:.*")) {
                    parts.add(line.replaceAll("\\s+", " "));
                } else if (line.matches("(flags|Features)\\s*:.*")) {
                    parts.add("features " + crc(line.getBytes(StandardCharsets.UTF_8)));
                }
            }
        }
        String environment = System.getenv("PROCESSOR_IDENTIFIER"); // Windows
        if (parts.isEmpty() && environment != null) {
            parts.add(environment);
        }
        parts.add(Runtime.getRuntime().availableProcessors() + " processors");
        return String.join(", ", parts);
    }

    private static String version() {
        return Backend.class.getModule().getDescriptor() == null
                ? "on the class path"
                : Backend.class.getModule().getDescriptor().toNameAndVersion();
    }

    /** A checksum of the kernels' code: builds under one version differ while they are written. */
    private static String kernels() throws IOException {
        try (InputStream in = VectorMatMul.class.getResourceAsStream("VectorMatMul.class")) {
            return in == null ? "" : crc(in.readAllBytes());
        }
    }

    private static String crc(byte[] bytes) {
        var crc = new CRC32();
        crc.update(bytes);
        return Long.toHexString(crc.getValue());
    }
}
