import Synchronization

/// What has gone through a tunnel's flows: counted by whoever moves it, on any thread.
final class TunnelTraffic: Sendable {
    /// Bytes from peers to the local end.
    let bytesIn = Atomic<UInt64>(0)
    /// Bytes from the local end to peers.
    let bytesOut = Atomic<UInt64>(0)
    /// Flows that were let through, ever.
    let flows = Atomic<UInt64>(0)
    /// Flows that were refused or failed to open, ever.
    let refusals = Atomic<UInt64>(0)
    /// Datagrams that found no room, or whose target was not there.
    let lostDatagrams = Atomic<UInt64>(0)
    /// Flows that live.
    let living = Atomic<Int>(0)

    func countIn(_ bytes: Int) { self.bytesIn.wrappingAdd(UInt64(bytes), ordering: .relaxed) }
    func countOut(_ bytes: Int) { self.bytesOut.wrappingAdd(UInt64(bytes), ordering: .relaxed) }
    func countRefusal() { self.refusals.wrappingAdd(1, ordering: .relaxed) }
    func countLostDatagram() { self.countLostDatagrams(1) }
    func countLostDatagrams(_ count: UInt64) {
        if count > 0 { self.lostDatagrams.wrappingAdd(count, ordering: .relaxed) }
    }
}
