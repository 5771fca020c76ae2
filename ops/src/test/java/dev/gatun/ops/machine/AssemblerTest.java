package dev.gatun.ops.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every form of instruction, with registers and addresses that need each prefix bit, against GNU as: its stored answers in
 * encodings.txt, and where binutils is installed its answers now.
 */
class AssemblerTest {
    private record Encoded(String text, String hex) {}

    private final List<Encoded> all = new ArrayList<>();

    private static final List<Address> SOME_ADDRESSES = List.of(
            Address.at(Gpr.RDX),
            Address.at(Gpr.R13, 64),
            Address.at(Gpr.R12, 20),
            Address.at(Gpr.RBP, Gpr.R9, 4),
            Address.at(Gpr.R8, Gpr.RCX, 1).plus(-128));

    private interface Code {
        void write(Assembler asm);
    }

    private void add(String text, Code code) {
        var asm = new Assembler();
        code.write(asm);
        all.add(new Encoded(text, HexFormat.of().formatHex(asm.code())));
    }

    private static final Gpr[] GPRS = Gpr.values();

    private static List<Address> addresses() {
        List<Address> addresses = new ArrayList<>();
        for (Gpr base : GPRS) {
            for (int displacement : new int[] {0, 4, 64, 128, -64, 8192, 1000}) {
                addresses.add(Address.at(base, displacement));
            }
        }
        for (Gpr index : List.of(Gpr.RCX, Gpr.RBP, Gpr.R9, Gpr.R12, Gpr.R13)) {
            for (Gpr base : List.of(Gpr.RAX, Gpr.RBP, Gpr.RSP, Gpr.R12, Gpr.R13, Gpr.R15)) {
                addresses.add(Address.at(base, index, 1));
                addresses.add(Address.at(base, index, 2).plus(64));
                addresses.add(Address.at(base, index, 8).plus(-4096));
            }
        }
        return addresses;
    }

    private static String text(Address a) {
        StringBuilder text = new StringBuilder("[").append(name(a.base()));
        if (a.index() != null) {
            text.append('+').append(name(a.index())).append('*').append(a.scale());
        }
        if (a.displacement() != 0) {
            text.append(a.displacement() > 0 ? "+" : "").append(a.displacement());
        }
        return text.append(']').toString();
    }

    private static String name(Gpr register) {
        return register.toString().toLowerCase(Locale.ROOT);
    }

    private static String name(Vec v) {
        return (v.bytes() == 64 ? "zmm" : v.bytes() == 32 ? "ymm" : "xmm") + v.number();
    }

    private static String name(VectorInstruction i, int bytes, boolean evex) {
        String name = i.toString().toLowerCase(Locale.ROOT);
        return !evex && (i == VectorInstruction.VPXORD || i == VectorInstruction.VPANDD)
                ? name.substring(0, name.length() - 1)
                : name;
    }

    private void general() {
        for (Gpr a : GPRS) {
            add("push " + name(a), asm -> asm.push(a));
            add("pop " + name(a), asm -> asm.pop(a));
            add("mov " + name(a) + ",-5", asm -> asm.mov(a, -5));
            for (int value : new int[] {1, -128, 128, 70000}) {
                add("add " + name(a) + "," + value, asm -> asm.add(a, value));
                add("sub " + name(a) + "," + value, asm -> asm.sub(a, value));
                add("cmp " + name(a) + "," + value, asm -> asm.cmp(a, value));
                add("and " + name(a) + "," + value, asm -> asm.and(a, value));
            }
            add("shl " + name(a) + ",3", asm -> asm.shl(a, 3));
            add("shr " + name(a) + ",7", asm -> asm.shr(a, 7));
            add("kmovw k3," + name32(a), asm -> asm.kmovw(Mask.K3, a));
            add("kmovw k3,k6", asm -> asm.kmovw(Mask.K3, Mask.K6));
            add("kmovw " + name32(a) + ",k5", asm -> asm.kmovw(a, Mask.K5));
            add("vmovd " + name32(a) + ",xmm6", asm -> asm.vmovd(a, Vec.xmm(6)));
            add("vmovd " + name32(a) + ",xmm13", asm -> asm.vmovd(a, Vec.xmm(13)));
            for (Gpr b : List.of(Gpr.RAX, Gpr.RSP, Gpr.R8, Gpr.R13)) {
                String pair = name(a) + "," + name(b);
                add("mov " + pair, asm -> asm.mov(a, b));
                add("add " + pair, asm -> asm.add(a, b));
                add("sub " + pair, asm -> asm.sub(a, b));
                add("cmp " + pair, asm -> asm.cmp(a, b));
                add("test " + pair, asm -> asm.test(a, b));
                add("or " + pair, asm -> asm.or(a, b));
                add("tzcnt " + pair, asm -> asm.tzcnt(a, b));
            }
        }
        for (Address m : addresses()) {
            for (Gpr a : List.of(Gpr.RDX, Gpr.R14)) {
                add("mov " + name(a) + "," + text(m), asm -> asm.mov(a, m));
                add("mov " + text(m) + "," + name(a), asm -> asm.mov(m, a));
                add("lea " + name(a) + "," + text(m), asm -> asm.lea(a, m));
                add("add " + name(a) + "," + text(m), asm -> asm.add(a, m));
            }
            add("prefetcht0 " + text(m), asm -> asm.prefetcht0(m));
            add("prefetcht1 " + text(m), asm -> asm.prefetcht1(m));
        }
        add("ret", Assembler::ret);
        add("vzeroupper", Assembler::vzeroupper);
        add("cpuid", Assembler::cpuid);
        add("xgetbv", Assembler::xgetbv);
    }

    private static String name32(Gpr register) {
        String name = name(register);
        return register.high() ? name + "d" : "e" + name.substring(1);
    }

    private void vectors() {
        List<Vec> registers = List.of(
                Vec.ymm(0), Vec.ymm(7), Vec.ymm(8), Vec.ymm(15), Vec.zmm(1), Vec.zmm(9), Vec.zmm(17), Vec.zmm(31));
        for (VectorInstruction i : VectorInstruction.values()) {
            if (i == VectorInstruction.VPTERNLOGD
                    || i == VectorInstruction.VSHUFPS
                    || i == VectorInstruction.VINSERTF32X4) {
                continue; // below: an immediate follows
            }
            boolean loads = switch (i) {
                case VMOVUPS,
                        VMOVAPS,
                        VBROADCASTSS,
                        VPBROADCASTD,
                        VBROADCASTF32X4,
                        VPMOVZXBD,
                        VPMOVSXBD,
                        VPMOVZXWD,
                        VPMOVZXDQ,
                        VSQRTPS,
                        VCVTPH2PS,
                        VCVTDQ2PS -> true;
                default -> false;
            };
            for (Vec to : registers) {
                boolean evexOnly = i == VectorInstruction.VDPBF16PS
                        || i == VectorInstruction.VPDPBUSD
                        || i == VectorInstruction.VBROADCASTF32X4;
                if (to.bytes() < 64 && evexOnly) {
                    continue; // as would encode these otherwise
                }
                boolean evex = to.bytes() == 64;
                String name = name(i, to.bytes(), evex) + " " + name(to);
                Vec left = new Vec(to.bytes() == 64 ? 30 - to.number() / 2 : 15 - to.number(), to.bytes());
                boolean everyAddress = i == VectorInstruction.VFMADD231PS || i == VectorInstruction.VPMOVZXBD;
                for (Address m : everyAddress ? addresses() : SOME_ADDRESSES) {
                    String size = pointer(i, to.bytes());
                    if (loads) {
                        add(name + "," + size + text(m), asm -> asm.op(i, to, m));
                    } else {
                        add(name + "," + name(left) + "," + size + text(m), asm -> asm.op(i, to, left, m));
                    }
                }
                if (i != VectorInstruction.VMOVUPS && i != VectorInstruction.VBROADCASTF32X4) {
                    for (int number : new int[] {3, 12, 22}) {
                        // Of vmovaps as takes the store's opcode where that saves a byte.
                        boolean shorter = i == VectorInstruction.VMOVAPS && number > 7;
                        if (!evex && (number > 15 || shorter)) {
                            continue;
                        }
                        int bytes = sourceBytes(i, to.bytes());
                        Vec right = new Vec(number, bytes);
                        if (loads) {
                            add(name + "," + name(right), asm -> asm.op(i, to, right));
                        } else {
                            add(name + "," + name(left) + "," + name(right), asm -> asm.op(i, to, left, right));
                        }
                    }
                }
                if (evex && i.tuple == VectorInstruction.Tuple.FULL && !loads) {
                    Address m = Address.at(Gpr.R11, 12).toAllLanes();
                    add(name + "," + name(left) + ",DWORD PTR " + text(m) + "{1to16}", asm -> asm.op(i, to, left, m));
                    add(name + "{k2}," + name(left) + "," + name(left), asm -> asm.op(i, to, Mask.K2, left, left));
                    add(
                            name + "{k5}{z}," + name(left) + "," + name(left),
                            asm -> asm.opOrZero(i, to, Mask.K5, left, left));
                }
            }
        }
        for (Vec v : registers) {
            for (Address m : SOME_ADDRESSES) {
                add("vmovups " + text(m) + "," + name(v), asm -> asm.store(m, v));
            }
            if (v.bytes() == 64) {
                Address m = Address.at(Gpr.R13, Gpr.R12, 2).plus(128);
                add("vmovups " + text(m) + "{k1}," + name(v), asm -> asm.store(m, v, Mask.K1));
                add(
                        "vmovups " + name(v) + "{k1}{z}," + text(m),
                        asm -> asm.opOrZero(VectorInstruction.VMOVUPS, v, Mask.K1, m));
                add(
                        "vcmpnlt_uqps k2," + name(v) + ",zmm13",
                        asm -> asm.vcmpps(Mask.K2, v, Comparison.NOT_LESS, Vec.zmm(13)));
                add("vmovups " + name(v) + "{k1}," + text(m), asm -> asm.op(VectorInstruction.VMOVUPS, v, Mask.K1, m));
                add(
                        "vcmpeqps k2{k1}," + name(v) + ",ZMMWORD PTR " + text(m),
                        asm -> asm.vcmpps(Mask.K2, Mask.K1, v, Comparison.EQUAL, m));
                add("vpcmpled k4," + name(v) + ",zmm13", asm -> asm.vpcmpled(Mask.K4, v, Vec.zmm(13)));
                add("vpcmpnled k4," + name(v) + ",zmm29", asm -> asm.vpcmpnled(Mask.K4, v, Vec.zmm(29)));
                add(
                        "vcmpnle_uqps k2," + name(v) + ",zmm13",
                        asm -> asm.vcmpps(Mask.K2, v, Comparison.NOT_LESS_OR_EQUAL, Vec.zmm(13)));
                add(
                        "vcmpngt_uqps k2," + name(v) + ",zmm13",
                        asm -> asm.vcmpps(Mask.K2, v, Comparison.NOT_GREATER, Vec.zmm(13)));
                add(
                        "vcmpneq_uqps k6," + name(v) + ",zmm29",
                        asm -> asm.vcmpps(Mask.K6, v, Comparison.NOT_EQUAL, Vec.zmm(29)));
                add(
                        "vpternlogd " + name(v) + ",zmm3,zmm21,234",
                        asm -> asm.vpternlogd(v, Vec.zmm(3), Vec.zmm(21), 234));
                add("vshufps " + name(v) + ",zmm5,zmm18,238", asm -> asm.vshufps(v, Vec.zmm(5), Vec.zmm(18), 238));
                add(
                        "vinsertf32x4 " + name(v) + ",zmm19,xmm6,1",
                        asm -> asm.vinsertf32x4(v, Vec.zmm(19), Vec.xmm(6), 1));
                for (Address from : SOME_ADDRESSES) {
                    add(
                            "vinsertf32x4 " + name(v) + ",zmm4,XMMWORD PTR " + text(from) + ",3",
                            asm -> asm.vinsertf32x4(v, Vec.zmm(4), from, 3));
                }
                add("vpshufd " + name(v) + ",zmm24,78", asm -> asm.vpshufd(v, Vec.zmm(24), 78));
                add(
                        "vshufi32x4 " + name(v) + ",zmm3,zmm21,177",
                        asm -> asm.vshufi32x4(v, Vec.zmm(3), Vec.zmm(21), 177));
                add("vprord " + name(v) + ",zmm24,8", asm -> asm.vprord(v, Vec.zmm(24), 8));
                for (Gpr g : GPRS) {
                    add("vpbroadcastd " + name(v) + "," + name32(g), asm -> asm.vpbroadcastd(v, g));
                }
            }
            Vec from = new Vec(v.bytes() == 64 ? 26 : 11, v.bytes());
            masked(v);
            add("vpslld " + name(v) + "," + name(from) + ",23", asm -> asm.vpslld(v, from, 23));
            add("vpsrld " + name(v) + "," + name(from) + ",4", asm -> asm.vpsrld(v, from, 4));
        }
    }

    /** Half and quarter registers with masks, which only EVEX has. */
    private void masked(Vec v) {
        Vec half = Vec.ymm(v.number());
        Vec quarter = Vec.xmm(v.number());
        Address m = Address.at(Gpr.R10, 32);
        add("vmovups " + text(m) + "{k7}," + name(quarter), asm -> asm.store(m, quarter, Mask.K7));
        add(
                "vmulps " + name(half) + "{k5}{z},ymm4,ymm21",
                asm -> asm.opOrZero(VectorInstruction.VMULPS, half, Mask.K5, Vec.ymm(4), Vec.ymm(21)));
        add(
                "vmulps " + name(half) + "{k6},ymm24,ymm24",
                asm -> asm.op(VectorInstruction.VMULPS, half, Mask.K6, Vec.ymm(24), Vec.ymm(24)));
        add(
                "vmovaps " + name(half) + "{k5}{z},ymm6",
                asm -> asm.opOrZero(VectorInstruction.VMOVAPS, half, Mask.K5, Vec.ymm(6)));
        add(
                "vdivps " + name(half) + ",ymm20,ymm4",
                asm -> asm.op(VectorInstruction.VDIVPS, half, Vec.ymm(20), Vec.ymm(4)));
        add(
                "vcmpnlt_uqps k5," + name(half) + ",ymm22",
                asm -> asm.vcmpps(Mask.K5, half, Comparison.NOT_LESS, Vec.ymm(22)));
    }

    private static int sourceBytes(VectorInstruction i, int bytes) {
        return switch (i.tuple) {
            case FULL, WHOLE -> bytes;
            case HALF -> bytes / 2;
            case QUARTER, FLOAT -> 16;
        };
    }

    private static String pointer(VectorInstruction i, int bytes) {
        return switch (i.tuple.bytes(bytes, false)) {
            case 64 -> "ZMMWORD PTR ";
            case 32 -> "YMMWORD PTR ";
            case 16 -> "XMMWORD PTR ";
            case 8 -> "QWORD PTR ";
            default -> "DWORD PTR ";
        };
    }

    /** Writes what GNU as says to a file: encodings.txt. */
    public static void main(String[] arguments) throws Exception {
        var test = new AssemblerTest();
        test.general();
        test.vectors();
        Path folder = Files.createTempDirectory("as");
        Files.write(Path.of(arguments[0]), Objects.requireNonNull(test.gnuAs(folder)));
    }

    @Test
    void encodingsAreThoseOfGnuAs(@TempDir Path folder) throws Exception {
        general();
        vectors();
        List<String> lines = all.stream().map(e -> e.hex + " " + e.text).toList();
        try (InputStream stored = AssemblerTest.class.getResourceAsStream("encodings.txt")) {
            assertThat(stored).as("encodings.txt").isNotNull();
            List<String> expected = new String(stored.readAllBytes(), StandardCharsets.US_ASCII)
                    .lines()
                    .toList();
            assertThat(lines).isEqualTo(expected);
        }
        List<String> now = gnuAs(folder);
        if (now == null) {
            System.err.println("GNU as is not installed: encodings were compared with its stored answers only");
        } else {
            assertThat(lines).isEqualTo(now);
        }
    }

    /** What as and objdump say to the same texts; null where they are not installed. */
    private @Nullable List<String> gnuAs(Path folder) throws IOException, InterruptedException {
        Path source = folder.resolve("all.s");
        Path object = folder.resolve("all.o");
        List<String> text = new ArrayList<>(List.of(".intel_syntax noprefix"));
        for (int i = 0; i < all.size(); i++) {
            text.add("l" + i + ": " + all.get(i).text);
        }
        Files.write(source, text);
        try {
            var as = new ProcessBuilder("as", "--64", "-o", object.toString(), source.toString())
                    .inheritIO()
                    .start();
            assertThat(as.waitFor()).as("exit of as").isZero();
            Path listing = folder.resolve("all.txt");
            var objcopy = new ProcessBuilder(
                            "objcopy", "-O", "binary", "-j", ".text", object.toString(), listing.toString())
                    .inheritIO()
                    .start();
            assertThat(objcopy.waitFor()).as("exit of objcopy").isZero();
            byte[] bytes = Files.readAllBytes(listing);
            List<String> lines = new ArrayList<>();
            int at = 0;
            for (Encoded encoded : all) {
                int length = encoded.hex.length() / 2;
                int to = Math.min(bytes.length, at + length);
                lines.add(HexFormat.of().formatHex(bytes, at, to) + " " + encoded.text);
                at = to;
            }
            assertThat(bytes).as("bytes of as").hasSize(at);
            return lines;
        } catch (IOException e) {
            return null;
        }
    }

    @Test
    void jumpsLeadToTheirLabels() {
        var asm = new Assembler();
        Label back = asm.here();
        var forth = new Label();
        asm.j(Condition.EQUAL, forth);
        asm.jmp(back);
        asm.bind(forth);
        asm.ret();
        assertThat(HexFormat.of().formatHex(asm.code())).isEqualTo("0f8405000000" + "e9f5ffffff" + "c3");
        assertThatThrownBy(() -> asm.bind(back)).hasMessage("label is bound already, at 0");
    }

    @Test
    void whatHasNoEncodingIsRefused() {
        assertThatThrownBy(() -> Address.at(Gpr.RAX, Gpr.RSP, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("address: index RSP times 1 has no encoding");
        assertThatThrownBy(() -> Address.at(Gpr.RAX, Gpr.RCX, 3)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Vec.zmm(32)).isInstanceOf(IllegalArgumentException.class);
    }
}
