package dev.gatun.openblas;

import java.util.Locale;

/** The platforms {@code org.bytedeco:openblas} has a jar for, and the name of the library in each. */
enum Platform {
    LINUX_X86_64("linux-x86_64", "libopenblas.so.0"),
    LINUX_ARM64("linux-arm64", "libopenblas.so.0"),
    MACOSX_X86_64("macosx-x86_64", "libopenblas.0.dylib"),
    MACOSX_ARM64("macosx-arm64", "libopenblas.0.dylib"),
    WINDOWS_X86_64("windows-x86_64", "libopenblas.dll");

    private final String classifier;
    private final String folder;
    private final String library;

    Platform(String classifier, String library) {
        this.classifier = classifier;
        this.folder = "org/bytedeco/openblas/".concat(classifier).concat("/");
        this.library = library;
    }

    /** The Maven classifier of the platform's jar. */
    String classifier() {
        return classifier;
    }

    /** The folder inside the jar that holds the library and what it is linked against. */
    String folder() {
        return folder;
    }

    /** The file name of the library. */
    String library() {
        return library;
    }

    static Platform current() {
        return of(System.getProperty("os.name"), System.getProperty("os.arch"));
    }

    /** Takes the values of the system properties {@code os.name} and {@code os.arch}. */
    static Platform of(String osName, String osArch) {
        String os = osName.toLowerCase(Locale.ROOT);
        boolean x86 = osArch.equals("amd64") || osArch.equals("x86_64");
        boolean arm = osArch.equals("aarch64") || osArch.equals("arm64");
        if (os.startsWith("linux") && x86) return LINUX_X86_64;
        if (os.startsWith("linux") && arm) return LINUX_ARM64;
        if (os.startsWith("mac") && x86) return MACOSX_X86_64;
        if (os.startsWith("mac") && arm) return MACOSX_ARM64;
        if (os.startsWith("windows") && x86) return WINDOWS_X86_64;
        throw new BlasUnavailableException(
                "org.bytedeco:openblas has no library for " + osName + " on " + osArch
                        + " (it has linux and macosx on x86_64 and arm64, and windows on x86_64)",
                "name a CBLAS of this system with --blas PATH, or use --backend vector or scalar",
                null);
    }
}
