/// The sizes that bound a plaintext connection's exchange, in bytes.
package enum PlaintextLimits {
    /// A peer's message: room for the largest key there is, twice.
    package static let maximumMessage = 4_096
    /// What a muxer puts into one record, which is nothing more than one write.
    static let maximumPayload = 65_535
}
