package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineTest {
    @TempDir
    private Path root;

    @Test
    void readsTheCpuOfX86() throws IOException {
        write("proc/cpuinfo", """
            processor\t: 0
            model name\t: A CPU @ 2.80GHz
            flags\t\t: fpu avx2 fma

            processor\t: 1
            model name\t: A CPU @ 2.80GHz
            flags\t\t: fpu avx2 fma
            """);
        var machine = new Machine(root);
        assertThat(machine.cpuModel()).isEqualTo("A CPU @ 2.80GHz");
        assertThat(machine.cpuFlags()).containsExactlyInAnyOrder("fpu", "avx2", "fma");
        assertThat(machine.processors()).isEqualTo(2);
    }

    @Test
    void readsTheCpuOfArm() throws IOException {
        write("proc/cpuinfo", """
            processor\t: 0
            Features\t: fp asimd
            CPU implementer\t: 0x41
            CPU part\t: 0xd0c
            """);
        var machine = new Machine(root);
        assertThat(machine.cpuModel()).isEqualTo("implementer 0x41 part 0xd0c");
        assertThat(machine.cpuFlags()).containsExactlyInAnyOrder("fp", "asimd");
    }

    @Test
    void readsTheLeastLimitOfControlGroups2() throws IOException {
        write("proc/self/cgroup", "0::/a/b\n");
        write("sys/fs/cgroup/a/b/memory.max", "max\n");
        write("sys/fs/cgroup/a/memory.max", "1073741824\n");
        write("sys/fs/cgroup/memory.max", "2147483648\n");
        assertThat(new Machine(root).memoryLimit()).isEqualTo(1L << 30);
    }

    @Test
    void readsTheLimitOfControlGroups1() throws IOException {
        write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
        assertThat(new Machine(root).memoryLimit()).isEqualTo(512L << 20);
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assertThat(new Machine(root).memoryLimit()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void readsTheMemory() throws IOException {
        write("proc/meminfo", "MemTotal:       24620292 kB\nMemFree:  1 kB\n");
        assertThat(new Machine(root).memory()).isEqualTo(24620292L << 10);
    }

    @Test
    void anotherSystemSaysNothing() throws IOException {
        var machine = new Machine(root);
        assertThat(machine.cpuFlags()).isEmpty();
        assertThat(machine.processors()).isZero();
        assertThat(machine.memory()).isZero();
        assertThat(machine.memoryLimit()).isEqualTo(Long.MAX_VALUE);
        assertThat(machine.cpuModel()).isNotEmpty();
    }

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }
}
