public import NIOCore

extension HostClock {
    /// Runs `body` and cancels it when the deadline passes, or when the task is cancelled. Returns once `body` has.
    /// Inlinable, so that it is compiled for what it waits for: each wait would look for its types at run time.
    ///
    /// ```swift
    /// let connection = try await clock.result(by: deadline, late: { await $0.close() }) { () throws(TransportError) in
    ///     try await transport.dial(address)
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - late: takes a success that came in spite of the cancellation, because it must be undone or because an answer given under
    ///     cancellation says nothing. Without it, a late success is returned like any other, so that nothing is lost.
    ///   - body: does the work. The deadline is kept only if it heeds its cancellation.
    /// - Returns: what `body` returned; nil when it failed after the deadline, or when `late` took what it returned.
    /// - Throws: what `body` threw, unless the deadline was the reason.
    @inlinable public func result<Success: Sendable, Failure: Error>(
        by deadline: NIODeadline, late: (@Sendable (Success) async -> Void)? = nil,
        of body: @escaping @Sendable () async throws(Failure) -> Success
    ) async throws(Failure) -> Success? {
        try await self.outcome(by: deadline, orAfter: nil, late: late, of: body)
    }

    /// The same, which a signal ends as the deadline does.
    package func result<Success: Sendable, Failure: Error>(
        by deadline: NIODeadline, unless signal: Signal?, late: (@Sendable (Success) async -> Void)? = nil,
        of body: @escaping @Sendable () async throws(Failure) -> Success
    ) async throws(Failure) -> Success? {
        guard let signal else { return try await self.outcome(by: deadline, orAfter: nil, late: late, of: body) }
        return try await self.outcome(by: deadline, orAfter: { await signal.wait() }, late: late, of: body)
    }

    @inlinable func outcome<Success: Sendable, Failure: Error>(
        by deadline: NIODeadline, orAfter event: (@Sendable () async -> Void)?, late: (@Sendable (Success) async -> Void)?,
        of body: @escaping @Sendable () async throws(Failure) -> Success
    ) async throws(Failure) -> Success? {
        let (outcome, isExpired) = await withTaskGroup(of: Result<Success, Failure>?.self) {
            group -> (Result<Success, Failure>?, Bool) in
            group.addTask {
                do throws(Failure) { return .success(try await body()) } catch { return .failure(error) }
            }
            group.addTask {
                await self.sleep(deadline)
                return nil
            }
            if let event {
                group.addTask {
                    await event()
                    return nil
                }
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            if let first { return (first, false) }
            // Of those that are left, the body alone has something to say.
            while let next = await group.next() {
                if let next { return (next, true) }
            }
            return (nil, true)
        }
        let isCancelled = Task.isCancelled
        switch outcome {
        case .success(let success):
            guard isExpired || isCancelled, let late else { return success }
            await late(success)
            return nil
        case .failure(let error):
            if isExpired, !isCancelled { return nil }
            throw error
        case nil: return nil
        }
    }
}
