extension StreamError {
    /// Runs one exchange of a protocol and cancels it when it takes too long. Returns once `body` has.
    ///
    /// ```swift
    /// let answer = try await StreamError.within(.seconds(10), on: host.clock, "the question") { () throws(StreamError) in
    ///     let stream = try await connection.openStream(MyProtocol.id)
    ///     …
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - timeout: how long it may take; nil for as long as the stream lives.
    ///   - clock: measures that; a module asks its host's.
    ///   - name: what the error says took too long.
    /// - Returns: what `body` returned, also if it did so a little late.
    /// - Throws: ``Code/timedOut``, or what `body` throws.
    @inlinable public static func within<Success: Sendable>(
        _ timeout: Duration?, on clock: HostClock, _ name: String, _ body: @escaping @Sendable () async throws(StreamError) -> Success
    ) async throws(StreamError) -> Success {
        guard let timeout else { return try await body() }
        guard let success = try await clock.result(by: clock.now().advanced(by: timeout), of: body) else {
            throw StreamError(.timedOut, "\(name) took longer than \(timeout)")
        }
        return success
    }
}
