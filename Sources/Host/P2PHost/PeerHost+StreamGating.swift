import Logging
import NIOCore
import P2PCore
import P2PSwarm

/// Streams of a host that has gaters for them; without any, nobody comes here.
extension PeerHost {
    /// Whether a handler may have the stream; it is reset if not.
    ///
    /// Never inlined: the frame of a stream's task is kept small for every stream.
    @inline(never)
    func mayServe(_ stream: PeerStream, for protocolID: ProtocolID, on entry: ConnectionEntry) async -> Bool {
        let info = entry.info
        let deadline = self.gatingDeadline
        for gater in self.streamGaters {
            let answer = await self.clock.result(
                by: deadline, late: { _ in }, of: { await gater.mayServe(stream, for: protocolID, on: info) })
            guard let refusal = (answer ?? .refused(Self.undecided)).refusal("a gater refused it") else { continue }
            stream.reset(.gated)
            self.logRefusal(of: protocolID.name, on: info, ["reason": "\(refusal)"])
            return false
        }
        return true
    }

    /// The protocols that may be proposed on a stream, which is reset when there is none.
    func granted(
        _ protocols: [ProtocolID], for stream: PeerStream, on entry: ConnectionEntry
    ) async throws(StreamError) -> [ProtocolID] {
        let info = entry.info
        let deadline = self.gatingDeadline
        var granted: [ProtocolID] = []
        var refusal: String?
        asking: for protocolID in protocols {
            for gater in self.streamGaters {
                let answer = await self.clock.result(
                    by: deadline, late: { _ in }, of: { await gater.mayOpen(stream, for: protocolID, on: info) })
                guard let reason = (answer ?? .refused(Self.undecided)).refusal("a gater refused \(protocolID)") else { continue }
                refusal = refusal ?? reason
                continue asking
            }
            granted.append(protocolID)
        }
        guard granted.isEmpty else { return granted }
        stream.reset(.gated)
        throw StreamError(Task.isCancelled ? .cancelled : .gated, refusal ?? Self.undecided)
    }

    private var gatingDeadline: NIODeadline { self.clock.now().advanced(by: self.configuration.negotiationTimeout) }

    private static let undecided = "a gater did not decide on the stream in time"
}
