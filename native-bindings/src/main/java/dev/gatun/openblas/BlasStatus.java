package dev.gatun.openblas;

import java.nio.file.Path;

/**
 * What was loaded, from where, and how it is set up.
 *
 * @param origin   where the library came from: Maven coordinates with the platform, or "file"
 * @param file     the library: in the cache folder, or the file that was asked for
 * @param config   the library's own description of its build, version first, or "unknown" where it has none
 * @param coreName the CPU kernels the library has chosen, or "unknown"
 * @param threads  how many threads the library uses, or 0 where it does not tell
 */
public record BlasStatus(String origin, Path file, String config, String coreName, int threads) {}
