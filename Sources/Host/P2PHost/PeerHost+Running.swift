import Logging
import P2PCore
import P2PSwarm
import Synchronization

#if ServiceLifecycle
    public import ServiceLifecycle

    /// With the package trait ServiceLifecycle, which is on by default, a host is a service among others.
    extension PeerHost: Service {}
#endif

extension PeerHost {
    /// Listens, dials and serves until a graceful shutdown (of its `ServiceGroup`, with the package trait ServiceLifecycle), ``shutDown()`` or
    /// cancellation.
    ///
    /// A graceful shutdown stops listening and dialing, gives modules a second to end, says goodbye on every connection and gives streams
    /// ``HostConfiguration/shutdownGrace`` to end; then it cancels the handlers. Cancellation leaves out the waiting.
    /// Returns when nothing is left: no socket, no connection, no task. It waits for handlers and gaters that ignore their
    /// cancellation, and for connections of other transports whose close does not return; for a peerstore that is still being written,
    /// but no longer than five seconds.
    ///
    /// - Throws: ``HostError`` (`.alreadyRun`) the second time.
    public func run() async throws {
        try self.start()
        await self.serveUntilShutDown()
    }

    /// From now on dials are taken.
    func start() throws(HostError) {
        guard self.swarm.start() else { throw HostError(.alreadyRun, "a host runs once; make a new one") }
        self.started.fire()
    }

    func serveUntilShutDown() async {
        #if ServiceLifecycle
            await withGracefulShutdownHandler {
                await self.runUntilShutDown()
            } onGracefulShutdown: {
                self.shutDown()
            }
        #else
            await self.runUntilShutDown()
        #endif
    }

    private func runUntilShutDown() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.counted { await self.negotiations.run() } }
            group.addTask { await self.counted { await self.keeper.run(self) } }
            group.addTask {
                await self.counted {
                    await self.shutdownRequested.wait()
                    if !Task.isCancelled { await self.sayGoodbye() }
                    self.swarm.finishJobs()
                }
            }
            group.addTask {
                await self.shutdownRequested.cancelling { await self.runModules() }
                self.modulesEnded.fire()
            }
            var lanes = TaskLanes()
            for await job in self.swarm.jobs {
                switch job {
                case .dial(let operation):
                    group.addTask { await self.counted { await self.swarm.perform(operation) } }
                case .listener(let listener):
                    group.addTask { await self.counted { await self.swarm.serve(listener) } }
                case .discard(let entry, let code):
                    group.addTask { await self.counted { await self.swarm.discard(entry, code) } }
                case .relieve:
                    group.addTask { await self.counted { await self.swarm.relieve() } }
                case .cleanPages:
                    group.addTask { await self.counted { await self.swarm.cleanPages() } }
                case .tend:
                    group.addTask { await self.counted { await self.swarm.tend() } }
                case .connection(let entry):
                    lanes.addTask(among: self.tasks.load(ordering: .relaxed), in: &group, executorPreference: entry.connection.executor) {
                        await self.counted { await self.serve(entry) }
                    }
                }
            }
            group.cancelAll()
        }
        await self.swarm.stop()
        self.registry.clear()
        self.swarm.events.finish()
        await self.swarm.peerstore.finish()
    }

    // MARK: Modules

    /// Runs what modules have for as long as the host runs, until the task is cancelled.
    private func runModules() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.counted { await self.introductions.followContributors() } }
            for source in self.discovery {
                group.addTask {
                    await self.counted { await self.keeper.whileNotSuspended { await self.discover(with: source) } }
                }
            }
            for service in self.services {
                group.addTask { await self.counted { await self.run(service) } }
            }
        }
    }

    private func run(_ service: HostService) async {
        do {
            try await service.run(self.link)
        } catch is CancellationError {
        } catch {
            guard !Task.isCancelled else { return }
            self.logger.error("a service of this host failed", metadata: ["service": "\(service.name)", "reason": "\(error)"])
        }
    }

    // MARK: Ending

    /// How long the goodbye waits for modules, which may have something to say to their peers first.
    static let modulesTime = Duration.seconds(1)

    /// Takes nobody in any more, lets the modules end, and says goodbye everywhere; what takes longer than it may, a module or a
    /// connection, is not waited for.
    private func sayGoodbye() async {
        let clock = self.swarm.clock
        let grace = self.configuration.shutdownGrace
        let began = clock.now()
        self.swarm.refuseAll()
        await self.first(
            { await self.modulesEnded.wait() },
            { await clock.sleep(began.advanced(by: Self.modulesTime)) })
        guard !Task.isCancelled else { return }
        await self.first(
            { await self.swarm.shutDown(.shutdown, grace: grace) },
            {
                await clock.sleep(began.advanced(by: grace).advanced(by: Self.modulesTime))
                if !Task.isCancelled { await self.swarm.shutDown(.shutdown, grace: .zero) }
            })
    }

    /// Returns when one of the two has, and cancels the other.
    private func first(_ one: @escaping @Sendable () async -> Void, _ other: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await one() }
            group.addTask { await other() }
            await group.next()
            group.cancelAll()
        }
    }

    /// Runs a task's body and counts it meanwhile.
    func counted(_ body: () async -> Void) async {
        self.tasks.wrappingAdd(1, ordering: .relaxed)
        await body()
        self.tasks.wrappingSubtract(1, ordering: .relaxed)
    }

    // MARK: Connections

    /// Serves a connection until it ends.
    ///
    /// What a task keeps while it waits counts for every connection, so that is little here, and what comes before and after is never inlined.
    private func serve(_ entry: ConnectionEntry) async {
        let connection = PeerConnection(entry.info, of: self.link)
        let reason = await withDiscardingTaskGroup { group in
            self.greet(connection, in: &group)
            let reason = await self.serveStreams(of: entry, as: connection, in: &group)
            self.swarm.retire(entry)
            group.cancelAll()
            return reason
        }
        await self.ended(entry, reason: reason)
    }

    @inline(never)
    private func greet(_ connection: PeerConnection, in group: inout DiscardingTaskGroup) {
        for greeting in self.registry.greetings {
            group.addTask(executorPreference: self.swarm.clock.executor) {
                await self.counted { await greeting.greet(connection) }
            }
        }
    }

    @inline(never)
    private func ended(_ entry: ConnectionEntry, reason: ConnectionError) async {
        // A close that is under way may have a long grace, and nobody waits for that any more once this task is cancelled.
        if Task.isCancelled || entry.closingCode == nil { await entry.close(Task.isCancelled ? .shutdown : .normal, grace: .zero) }
        self.logger.debug("a connection ended", metadata: entry.info.logMetadata.merging(["reason": "\(reason)"]) { $1 })
        // Not waited for, but asked for first: whoever hears of the end may rely on the peerstore.
        self.introductions.renewMemory(of: entry)
        self.swarm.ended(entry, reason: reason)
    }

    /// Starts a task for each stream that the peer opens; returns why there will be no more, and only once those that
    /// live may be cancelled.
    private func serveStreams(
        of entry: ConnectionEntry, as connection: PeerConnection, in group: inout DiscardingTaskGroup
    ) async -> ConnectionError {
        let executor = entry.connection.executor
        var streams = entry.connection.inboundStreams.makeAsyncIterator()
        do throws(ConnectionError) {
            while let stream = try await streams.next() {
                group.addTask(executorPreference: executor) { await self.serve(stream, on: entry, as: connection) }
            }
        } catch {
            if error.code != .cancelled { return error }
        }
        return await self.closed(entry)
    }

    /// Waits until this side has closed the connection; says why.
    @inline(never)
    private func closed(_ entry: ConnectionEntry) async -> ConnectionError {
        self.swarm.retire(entry)
        guard let code = entry.closingCode else {
            return ConnectionError(.closed, "this side closed the connection (its task was cancelled)")
        }
        await entry.closed.wait()
        return ConnectionError(.closed, "this side closed the connection (\(Self.name(of: code)))")
    }

    private static func name(of code: ConnectionErrorCode) -> String {
        switch code {
        case .shutdown: "shutdown"
        case .garbageCollected: "it made room for others"
        default: code.description
        }
    }
}
