package dev.gatun.bench;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;

/** The way into native code, as the bindings go and with Linker.Option.critical. */
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class NativeCallBenchmark extends OperationBenchmark {
    /** Names of the catalogue. */
    @Param({
        "openblas_get_num_threads plain",
        "openblas_get_num_threads critical",
        "sgemm 1x1x1 plain",
        "sgemm 1x1x1 critical",
        "sgemm 1x1x1 checked",
        "sgemv 64x64 plain",
        "sgemv 64x64 critical",
        "sgemv 64x64 checked"
    })
    public String call = "";

    @Override
    String operation() {
        return call;
    }

    @Override
    String engine() {
        return "openblas";
    }
}
