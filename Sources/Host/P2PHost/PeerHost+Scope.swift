import P2PCore

extension PeerHost {
    /// Runs the host for as long as `body` does: in it everything works, after it nothing is left.
    ///
    /// When `body` returns, the host says goodbye and ends, with ``HostConfiguration/shutdownGrace`` for its streams; when `body` throws, or the
    /// task is cancelled, it ends at once. ``shutDown()`` and a graceful shutdown of the surrounding service group end the host before that;
    /// what `body` asks of it then fails with ``DialError/Code/notRunning``.
    ///
    /// - Returns: what `body` returns, once no socket, connection or task of the host is left.
    /// - Throws: what `body` throws; ``CodedFailure/Code/alreadyRun`` the second time.
    public func running<Success>(_ body: (_ host: PeerHost) async throws -> Success) async throws -> Success {
        try self.start()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.serveUntilShutDown() }
            let result: Success
            do {
                result = try await body(self)
            } catch {
                group.cancelAll()
                throw error
            }
            self.shutDown()
            try await group.waitForAll()
            return result
        }
    }
}
