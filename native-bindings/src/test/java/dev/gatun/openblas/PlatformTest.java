package dev.gatun.openblas;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlatformTest {
    @ParameterizedTest
    @CsvSource({
        "Linux,amd64,linux-x86_64,libopenblas.so.0",
        "Linux,aarch64,linux-arm64,libopenblas.so.0",
        "Mac OS X,x86_64,macosx-x86_64,libopenblas.0.dylib",
        "Mac OS X,aarch64,macosx-arm64,libopenblas.0.dylib",
        "Windows 11,amd64,windows-x86_64,libopenblas.dll",
    })
    void aPlatformIsKnownByWhatTheJvmCallsIt(String os, String arch, String classifier, String library) {
        Platform platform = Platform.of(os, arch);
        assertThat(platform.classifier()).isEqualTo(classifier);
        assertThat(platform.library()).isEqualTo(library);
        assertThat(platform.folder()).isEqualTo("org/bytedeco/openblas/" + classifier + "/");
    }

    @ParameterizedTest
    @CsvSource({"SunOS,sparcv9", "Linux,riscv64", "Windows 11,aarch64"})
    void anyOtherPlatformIsAnErrorThatNamesItAndTheFix(String os, String arch) {
        assertThatExceptionOfType(BlasUnavailableException.class)
                .isThrownBy(() -> Platform.of(os, arch))
                .withMessageContaining("no library for " + os + " on " + arch)
                .withMessageContaining("--blas PATH");
    }

    @Test
    void thePlatformOfThisMachineIsTheOneOfTheJarOnTheClassPath() {
        String library = Platform.current().folder() + Platform.current().library();
        assertThat(getClass().getClassLoader().getResource(library)).isNotNull();
    }
}
