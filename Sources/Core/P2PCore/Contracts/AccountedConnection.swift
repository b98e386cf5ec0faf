/// A connection that counts what it holds in memory.
package protocol AccountedConnection: MuxedConnection {
    /// Where it counts.
    var account: MemoryAccount { get }
    /// Ends at once, and lets go of all that nobody has read: the close code is `resourceLimitExceeded`. From any thread; returns at once.
    func evict()
}
