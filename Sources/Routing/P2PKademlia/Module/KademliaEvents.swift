import NIOCore
public import P2PCore
public import P2PIdentity
import Synchronization

/// What may be asked of a table, as a value.
public enum KademliaQuery: Sendable, Hashable {
    /// The peers nearest to a key.
    case closestPeers(to: [UInt8])
    /// Where a peer is.
    case peer(PeerID)
    /// Who has something; `count` that two have named and that were met there suffice, nil looks for all.
    case providers(of: [UInt8], count: Int? = nil)
    /// The best value under a key; valid ones from so many peers suffice, 0 asks all that are near.
    case value(for: [UInt8], quorum: Int = 16)
    /// Tells that this node has something.
    case provide([UInt8])
    /// Stores a value.
    case put([UInt8], for: [UInt8])
}

/// A look-up as a sequence of what happens: results as they come, and each step with its reason. It begins at once; it is cancelled when nobody
/// holds it any more.
///
/// ```swift
/// for try await event in dht.events(of: .providers(of: key)) {
///     if case .provider(let provider) = event { … }
/// }
/// ```
public struct KademliaEvents: AsyncSequence, Sendable {
    /// One thing that happened.
    public typealias Element = KademliaEvent
    /// Why nothing was found or stored.
    public typealias Failure = KademliaError

    /// Whoever reads: when it goes away, the look-up ends.
    final class Reader: Sendable {
        let inbox = Inbox<KademliaEvent, KademliaError>(limit: KademliaLimits.waitingEvents)
        let left = Signal()

        deinit { self.left.fire() }
    }

    let reader: Reader

    /// Takes the events one by one; those that one iterator took, another does not get.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let reader: Reader

        /// Waits for the next one; nil when it is over.
        public mutating func next() async throws(KademliaError) -> KademliaEvent? { try await self.reader.inbox.next() }

        /// Waits for the next one, on the caller's actor.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(KademliaError) -> KademliaEvent? {
            try await self.reader.inbox.next()
        }
    }

    /// One consumer at a time.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(reader: self.reader) }
}

extension Kademlia {
    /// Asks, and hands out what happens as a sequence. What a slow reader leaves waiting beyond 4,096 events is dropped; the sequence ends all the same.
    ///
    /// The look-up runs as a task of the host, at most 64 of them at a time. When the host ends, those that wait end with
    /// `notRunning`, as later ones do.
    public func events(of query: KademliaQuery) -> KademliaEvents {
        do throws(KademliaError) {
            return try self.node().events(of: query)
        } catch {
            let reader = KademliaEvents.Reader()
            reader.inbox.finish(.failure(error))
            return KademliaEvents(reader: reader)
        }
    }
}

extension KademliaNode {
    /// A look-up of a sequence, or an announcement: it is done in its turn, or whoever asked for it is told why it is not.
    struct Job: Sendable {
        let run: @Sendable () async -> Void
        let refuse: @Sendable (KademliaError) -> Void
    }

    /// Asks as a job, and hands out what happens.
    func events(of query: KademliaQuery) -> KademliaEvents {
        let reader = KademliaEvents.Reader()
        let (inbox, left) = (reader.inbox, reader.left)
        let job = Job(
            run: {
                await left.cancelling {
                    do throws(KademliaError) {
                        try await self.perform(query) { event in _ = inbox.offer(event) }
                        inbox.finish(.success(()))
                    } catch {
                        inbox.finish(.failure(error))
                    }
                }
                inbox.finish(.failure(Self.cancelled))
            }, refuse: { error in inbox.finish(.failure(error)) })
        self.enqueue(job, self.jobs, ifFull: "\(KademliaLimits.waitingLookups) look-ups wait already (waitingLookups)")
        return KademliaEvents(reader: reader)
    }

    /// Has a job wait for its turn, or refuses it.
    func enqueue(_ job: Job, _ queue: Inbox<Job, Never>, ifFull reason: String) {
        guard !queue.offer(job) else { return }
        job.refuse(self.state.withLock { $0.isOver } ? Self.over : KademliaError(.resourceLimit, reason))
    }

    /// Does what a query says.
    func perform(_ query: KademliaQuery, onEvent: @escaping EventSink) async throws(KademliaError) {
        switch query {
        case .closestPeers(let key): _ = try await self.closestPeers(to: key, onEvent: onEvent)
        case .peer(let peer): _ = try await self.findPeer(peer, onEvent: onEvent)
        case .providers(let key, let count): _ = try await self.findProviders(of: key, count: count, onEvent: onEvent)
        case .value(let key, let quorum): _ = try await self.value(for: key, quorum: quorum, onEvent: onEvent)
        case .provide(let key): _ = try await self.provide(key, onEvent: onEvent)
        case .put(let value, let key): _ = try await self.put(value, for: key, onEvent: onEvent)
        }
    }

    /// Does the jobs of sequences and the announcements, some of each at a time.
    func work() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.work(through: self.jobs, atOnce: KademliaLimits.lookups) }
            group.addTask { await self.work(through: self.announcements, atOnce: KademliaLimits.announcements) }
        }
    }

    private func work(through queue: Inbox<Job, Never>, atOnce limit: Int) async {
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            while let job = await queue.next() {
                if running >= limit {
                    await group.next()
                    running -= 1
                }
                group.addTask { await job.run() }
                running += 1
            }
            // Before the queue closes, so that whoever finds it closed can say why.
            self.state.withLock { $0.isOver = true }
            queue.finish(.success(()))
            for job in queue.takeAll() { job.refuse(Self.over) }
        }
    }
}
