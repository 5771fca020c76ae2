package dev.gatun.ops.machine;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.MemoryAddress;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** Tells the JDK Flight Recorder where a function of ours was put; off unless a recording turns it on. */
@Name("dev.gatun.MachineCode")
@Label("Machine code")
@Category({"Gatun", "Machine code"})
@Enabled(false)
@StackTrace(false)
final class MachineCodeEvent extends Event {
    @Label("Function")
    String function = "";

    @Label("Address")
    @MemoryAddress
    long address;

    @Label("Size")
    @DataAmount
    long size;

    static void commit(String function, long address, long size) {
        var event = new MachineCodeEvent();
        if (event.isEnabled()) {
            event.function = function;
            event.address = address;
            event.size = size;
            event.commit();
        }
    }
}
