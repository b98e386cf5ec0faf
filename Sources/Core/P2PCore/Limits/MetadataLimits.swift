/// What the application may keep about one peer in a ``Peerstore``.
package struct MetadataLimits: Sendable, Hashable {
    /// Entries of one peer.
    package var entries = 32
    /// An entry with its name, in bytes.
    package var size = 4_096

    package init(entries: Int = 32, size: Int = 4_096) {
        self.entries = max(0, entries)
        self.size = max(0, size)
    }

    /// Throws unless there is room for the entry beside the others.
    ///
    /// - Parameter others: entries under other names.
    package func check(_ value: [UInt8], named name: String, others: Int) throws(PeerstoreError) {
        guard value.count + name.utf8.count <= self.size else {
            throw PeerstoreError(.tooLarge, "metadata of \(value.count) bytes and their name exceed \(self.size) bytes (metadataSize)")
        }
        guard others < self.entries else {
            throw PeerstoreError(.tooLarge, "the peer has \(others) entries of metadata already (metadataPerPeer is \(self.entries))")
        }
    }
}
