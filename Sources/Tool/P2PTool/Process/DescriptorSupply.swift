import NIOCore
import P2PCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How many file descriptors this process may still open.
///
/// Some of those who need one have no way to say that there is none: event loops and the runtime trap. So they are counted before.
struct DescriptorSupply {
    /// Descriptors of an event loop: to poll, to be woken, for its timers.
    private static let perLoop = 3
    /// Descriptors of a node beyond those of its event loops: the runtime's, those of signals, some to listen with, the peerstore's, and a few to
    /// dial with.
    private static let perNode = 24

    /// Descriptors that are free, counted up to the number that was asked for.
    let free: Int
    /// The limit of this process (`ulimit -n`).
    let limit: Int

    /// Looks which numbers below the limit are free.
    ///
    /// It takes none, not even for a moment: a thread of the runtime that wanted one just then would find none, and trap.
    static func measure(upTo wanted: Int) -> DescriptorSupply {
        let limit = DescriptorReserve.current().limit
        var free = 0
        var number: CInt = 0
        while free < wanted, Int(number) < limit, number < .max {
            if fcntl(number, F_GETFD) == -1 { free += 1 }
            number += 1
        }
        return DescriptorSupply(free: free, limit: limit)
    }

    /// Makes sure, the first time, that a node can begin, before it opens anything; with few descriptors it gets fewer event loops.
    ///
    /// - Throws: `ToolError` with the code `tooFewDescriptors`.
    static func prepareForNode() throws(ToolError) { try self.preparation.get() }

    private static let preparation: Result<Void, ToolError> = {
        // NIO's own suggestion may be set before it is read, not afterwards.
        let loops = System.coreCount
        let supply = Self.measure(upTo: Self.perNode + loops * Self.perLoop)
        guard supply.free >= Self.perNode + Self.perLoop else {
            return .failure(supply.shortage(of: Self.perNode + Self.perLoop, for: "a node"))
        }
        let affordable = (supply.free - Self.perNode) / Self.perLoop
        if affordable < loops { NIOSingletons.groupLoopCountSuggestion = affordable }
        return .success(())
    }()

    /// The error for too few descriptors.
    func shortage(of needed: Int, for whom: String) -> ToolError {
        ToolError(
            "tooFewDescriptors",
            """
            the limit on open files is \(self.limit) (ulimit -n) and leaves \(self.free); \(whom) needs \(needed) or more: raise it, for example \
            with `ulimit -n 1024`
            """)
    }
}
