import NIOCore
import P2PPipeline

/// Holds back what a channel brings until whoever is concerned stands behind it.
protocol Gate: ChannelInboundHandler, RemovableChannelHandler {
    /// Lets what it holds through to the handlers that stand behind it by now, and goes away.
    func open(context: ChannelHandlerContext)
}

extension Channel {
    /// Installs handlers behind the gate, if there is one, lets the channel read, and opens the gate.
    ///
    /// Waits for what the handlers promise; being cancelled meanwhile closes the channel.
    ///
    /// - Parameter preparations: what the channel goes through before.
    func behindTheGate<Value: Sendable>(
        after preparations: [any ChannelPreparation] = [],
        _ install: @escaping @Sendable (ChannelPipeline.SynchronousOperations, EventLoopPromise<Value>) throws -> Void
    ) async throws -> Value {
        let promise = self.eventLoop.makePromise(of: Value.self)
        return try await withTaskCancellationHandler {
            self.eventLoop.execute {
                do {
                    let pipeline = self.pipeline.syncOperations
                    let gate = pipeline.gate
                    // Before anything is let through: who has all it needs of that stops the reading again.
                    try self.syncOptions?.setOption(.autoRead, value: true)
                    self.prepare(preparations[...]) { result in
                        do {
                            try result.get()
                            try install(self.pipeline.syncOperations, promise)
                            try self.pipeline.syncOperations.open(gate)
                        } catch {
                            promise.fail(error)
                        }
                    }
                } catch {
                    promise.fail(error)
                }
            }
            return try await promise.futureResult.get()
        } onCancel: {
            self.close(promise: nil)
        }
    }
}

extension ChannelPipeline.SynchronousOperations {
    /// The gate that is there, if any.
    var gate: (any Gate)? {
        (try? self.handler(type: PortGate.self)) ?? (try? self.handler(type: WebContentReader.self))
    }

    /// Opens a gate of this pipeline's.
    func open(_ gate: (any Gate)?) throws {
        if let gate { gate.open(context: try self.context(handler: gate)) }
    }
}
