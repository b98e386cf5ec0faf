import Synchronization

/// What the streams of one protocol have carried, over all connections of a host.
package final class ProtocolTraffic: Sendable {
    private let opened = Atomic<UInt64>(0)
    private let served = Atomic<UInt64>(0)
    private let openNow = Atomic(0)
    private let servedNow = Atomic(0)
    private let bytesRead = Atomic<UInt64>(0)
    private let bytesWritten = Atomic<UInt64>(0)

    package init() {}

    func began(isServed: Bool) {
        if isServed {
            self.served.wrappingAdd(1, ordering: .relaxed)
            self.servedNow.wrappingAdd(1, ordering: .relaxed)
        } else {
            self.opened.wrappingAdd(1, ordering: .relaxed)
            self.openNow.wrappingAdd(1, ordering: .relaxed)
        }
    }

    func ended(isServed: Bool) {
        if isServed {
            self.servedNow.wrappingSubtract(1, ordering: .relaxed)
        } else {
            self.openNow.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    func carried(read: Int, written: Int) {
        if read > 0 { self.bytesRead.wrappingAdd(UInt64(read), ordering: .relaxed) }
        if written > 0 { self.bytesWritten.wrappingAdd(UInt64(written), ordering: .relaxed) }
    }

    /// What it comes to now.
    package func count(of name: String) -> ProtocolCount {
        ProtocolCount(
            name: name, opened: self.opened.load(ordering: .relaxed), served: self.served.load(ordering: .relaxed),
            openNow: self.openNow.load(ordering: .relaxed), servedNow: self.servedNow.load(ordering: .relaxed),
            bytesIn: self.bytesRead.load(ordering: .relaxed), bytesOut: self.bytesWritten.load(ordering: .relaxed))
    }
}

/// Counts what the application reads and writes on one stream: an addition where the stream's lock is held anyway. It is told further in pieces of
/// ``quantum``, and at the end, so that streams share nothing until then.
struct StreamMeter: ~Copyable {
    /// Bytes of a stream that lives which ``ProtocolTraffic`` may not know of, each way.
    static let quantum = 64 * 1_024

    private let traffic: ProtocolTraffic
    private let isServed: Bool
    private var bytesRead = 0
    private var bytesWritten = 0

    init(_ traffic: ProtocolTraffic, isServed: Bool) {
        self.traffic = traffic
        self.isServed = isServed
        traffic.began(isServed: isServed)
    }

    deinit {
        self.traffic.carried(read: self.bytesRead, written: self.bytesWritten)
        self.traffic.ended(isServed: self.isServed)
    }

    mutating func read(_ count: Int) {
        self.bytesRead += count
        if self.bytesRead >= Self.quantum { self.tell() }
    }

    mutating func wrote(_ count: Int) {
        self.bytesWritten += count
        if self.bytesWritten >= Self.quantum { self.tell() }
    }

    private mutating func tell() {
        self.traffic.carried(read: self.bytesRead, written: self.bytesWritten)
        // Below zero after bytes were put back: they are read once more.
        self.bytesRead = min(0, self.bytesRead)
        self.bytesWritten = 0
    }
}
