package import P2PCore

/// What streams have told their connection since its driver last asked: two lists, exchanged for empty ones to use their memory again.
package struct MuxerNews {
    /// Streams that have signalled work.
    package internal(set) var work: [MuxedStream] = []
    /// Streams of ours that are new.
    package internal(set) var fresh: [MuxedStream] = []

    package init() {}

    package mutating func clear() {
        self.work.removeAll(keepingCapacity: true)
        self.fresh.removeAll(keepingCapacity: true)
    }
}
