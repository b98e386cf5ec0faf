import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// Whom a command meets before it dials, so that the node knows where it is seen: for hole punching.
struct MeetingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            A peer to meet first, by whom this node learns where it is seen, so that a direct connection may come of one over a relay; repeat it \
            for several. The command then listens, too.
            """, valueName: "multiaddr"),
        transform: TargetOptions.parse)
    var bootstrap: [Multiaddr] = []

    func validate() throws {
        if let address = self.bootstrap.first(where: { $0.peerID == nil }) {
            throw ValidationError("--bootstrap \(address) does not say which peer to expect: add /p2p/ and its id.")
        }
    }

    /// Listens and meets the peers, all at once. One that is not reached is not missed as long as another is.
    ///
    /// - Parameters:
    ///   - listen: where the node is to listen; when empty, as a daemon, if there is somebody to meet.
    ///   - listens: even when there is nobody.
    func meet(_ session: NodeSession, at listen: [Multiaddr] = [], listens: Bool = false) async throws {
        if listens || !self.bootstrap.isEmpty || !listen.isEmpty {
            _ = try await session.host.listen(on: listen.isEmpty ? DaemonCommand.everywhere(session.options) : listen)
        }
        let failures = await withTaskGroup(of: (any Error)?.self) { group in
            for address in self.bootstrap {
                group.addTask {
                    do {
                        _ = try await session.connect(to: address)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            return await group.reduce(into: [any Error]()) { failures, failure in
                if let failure { failures.append(failure) }
            }
        }
        if let first = failures.first, failures.count == self.bootstrap.count { throw first }
    }
}
