import P2P

/// Keeps databases the same as a peer's: connects, copies both ways, and begins again when that breaks.
struct Companion: Sendable {
    /// What it waits for before it tries again, at first and at most; in between it doubles.
    private static let firstPause = Duration.milliseconds(500)
    private static let longestPause = Duration.seconds(20)

    let address: Multiaddr
    let databases: [String]
    let server: CouchServer
    let host: PeerHost

    /// Runs until the task is cancelled.
    func run() async {
        var pause = Self.firstPause
        while !Task.isCancelled {
            let began = ContinuousClock.now
            do {
                try await self.replicate(over: try await self.host.connect(to: self.address))
            } catch {
                if Task.isCancelled { return }
                show("* \(self.address): \(printable("\(error)"))")
            }
            // Somebody who was there for a while is likely to come back soon.
            if began.duration(to: .now) > Self.longestPause { pause = Self.firstPause }
            try? await Task.sleep(for: pause * Double.random(in: 0.75...1.25))
            pause = min(pause * 2, Self.longestPause)
        }
    }

    private func isReachedDirectly(_ peer: PeerID) -> Bool {
        self.host.connections().contains { $0.remotePeer == peer && !$0.info.isLimited }
    }

    /// Until it breaks, or there is a better connection.
    private func replicate(over connection: PeerConnection) async throws {
        let events = self.host.events()
        let here = LocalReplica(name: "\(self.host.peerID)", server: self.server)
        let there = RemoteReplica(connection: connection)
        show("* connected to \(connection.remotePeer), \(connection.info.isLimited ? "through a relay" : "directly")")
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            // What a relay lends has limits, and a direct way may be found meanwhile.
            if connection.info.isLimited {
                group.addTask {
                    // It may have come before anybody listened, so what there is counts, whatever event says to look.
                    var news = events.makeAsyncIterator()
                    while !self.isReachedDirectly(connection.remotePeer), await news.next() != nil {}
                }
            }
            for database in self.databases {
                group.addTask {
                    try await Replication(source: there, target: here, database: database) {
                        show("* \(database): \($0.written) pulled, \($0.failed) refused")
                    }.run()
                }
                group.addTask {
                    try await Replication(source: here, target: there, database: database) {
                        show("* \(database): \($0.written) pushed, \($0.failed) refused")
                    }.run()
                }
            }
            // No replication ends by itself.
            try await group.next()
        }
    }
}
