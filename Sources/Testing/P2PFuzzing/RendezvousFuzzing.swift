import NIOCore
import P2PCore
import P2PFetch
import P2PIdentity
import P2PRendezvous

/// Rendezvous points, and fetch.
enum RendezvousFuzzing {
    /// What is written of a message that was read is read as the same.
    static func message(_ bytes: [UInt8]) {
        guard let message = try? RendezvousMessage(reading: ByteBuffer(bytes: bytes)) else { return }
        if case .discovered(let registrations, _, _, _) = message {
            precondition(registrations.count <= RendezvousLimits.registrationsPerAnswer)
        }
        guard let again = try? RendezvousMessage(reading: message.encoded) else { preconditionFailure("our own message is refused") }
        precondition(again.encoded == message.encoded)
    }

    static var messages: [[UInt8]] {
        let registration = WireRegistration(namespace: "game", record: [1, 2, 3], timeToLive: 7_200)
        let messages: [RendezvousMessage] = [
            .register(registration), .registered(.ok, text: "", timeToLive: 7_200), .unregister(namespace: "game"),
            .discover(namespace: "game", limit: 10, cookie: [0, 0, 0, 0, 0, 0, 0, 1]),
            .discovered([registration], cookie: [0, 0, 0, 0, 0, 0, 0, 1], .ok, text: ""),
        ]
        return messages.map { Array($0.encoded.readableBytesView) }
    }

    private struct Place: Hashable {
        let namespace: String
        let peer: Int
    }

    private static let namespaces = ["a", "b", "c", "d", ""]
    private static let perPeer = 3
    private static let limit = 7

    /// Peers register, go, discover and wait as the bytes say: bounds hold, and whoever follows the cookies is told each registration once, and in the
    /// end of all that live.
    static func point(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var store = RegistrationStore(perPeer: Self.perPeer, limit: Self.limit)
        var now = NIODeadline.uptimeNanoseconds(1)
        var alive: [Place: NIODeadline] = [:]
        var cookies: [String: [UInt8]] = [:]
        // By the namespace that was asked for: what has been told since it was last registered.
        var told: [String: Set<Place>] = [:]

        func answer(_ request: RendezvousMessage, from peer: Int) -> RendezvousMessage? {
            do throws(StreamError) {
                return try store.answer(request, from: FuzzIdentity.registrants[peer].peer, at: now)
            } catch {
                preconditionFailure("an ordinary request is refused: \(error)")
            }
        }

        /// Follows the cookie of a namespace by one answer; how many it told of.
        func follow(_ namespace: String, upTo most: Int, by peer: Int) -> Int {
            let request = RendezvousMessage.discover(namespace: namespace, limit: UInt64(most), cookie: cookies[namespace] ?? [])
            guard case .discovered(let found, let cookie, let status, _)? = answer(request, from: peer) else {
                preconditionFailure("an answer to something else")
            }
            precondition(status == .ok && found.count <= most)
            cookies[namespace] = cookie
            for registration in found {
                guard let peer = FuzzIdentity.registrants.firstIndex(where: { $0.record == registration.record }) else {
                    preconditionFailure("a record that nobody has registered")
                }
                let place = Place(namespace: registration.namespace, peer: peer)
                precondition(namespace.isEmpty || registration.namespace == namespace)
                precondition(alive[place].map { $0 > now } ?? false, "what is over is told")
                precondition(told[namespace, default: []].insert(place).inserted, "a registration is told twice")
            }
            return found.count
        }

        while !input.isEmpty {
            let operation = input.byte()
            let namespace = Self.namespaces[input.number(below: Self.namespaces.count)]
            let peer = Int(operation / 4) % FuzzIdentity.registrants.count
            switch operation % 4 {
            case 0:
                let place = Place(namespace: namespace, peer: peer)
                let living = alive.filter { $0.value > now }.keys
                let registration = WireRegistration(
                    namespace: namespace, record: FuzzIdentity.registrants[peer].record, timeToLive: UInt64(input.byte()) * 60)
                guard case .registered(let status, _, let timeToLive)? = answer(.register(registration), from: peer) else {
                    preconditionFailure("an answer to something else")
                }
                let isNew = alive[place] == nil
                let expected: RendezvousStatus =
                    if namespace.isEmpty {
                        .invalidNamespace
                    } else if registration.timeToLive == 0 {
                        .invalidTimeToLive
                    } else if isNew, living.count(where: { $0.peer == peer }) >= Self.perPeer {
                        .notAuthorized
                    } else if isNew, living.count >= Self.limit {
                        .unavailable
                    } else {
                        .ok
                    }
                // One that is over may still have its place, or need a new one.
                precondition(status == expected || !isNew && !living.contains(place), "\(status) instead of \(expected)")
                guard status == .ok else { continue }
                alive[place] = now.advanced(by: .seconds(Int64(timeToLive)))
                for name in told.keys { told[name]?.remove(place) }
            case 1:
                precondition(answer(.unregister(namespace: namespace), from: peer) == nil, "who goes is answered")
                alive[Place(namespace: namespace, peer: peer)] = nil
            case 2: _ = follow(namespace, upTo: 1 + input.number(below: 4), by: peer)
            default: now = now.advanced(by: .seconds(Int64(input.byte()) * 20))
            }
            precondition(store.count <= Self.limit)
        }
        for namespace in Self.namespaces {
            while follow(namespace, upTo: 2, by: 0) > 0 {}
            let living = alive.filter { $0.value > now && (namespace.isEmpty || $0.key.namespace == namespace) }
            precondition(told[namespace, default: []].isSuperset(of: living.keys), "not all that live are told")
        }
    }

    /// What is written of a message that was read is read as the same.
    static func fetch(_ bytes: [UInt8]) {
        if let request = try? FetchRequest(reading: ByteBuffer(bytes: bytes)) {
            precondition((try? FetchRequest(reading: request.encoded)) == request)
        }
        if let response = try? FetchResponse(reading: ByteBuffer(bytes: bytes)) {
            precondition((try? FetchResponse(reading: response.encoded)) == response)
        }
    }

    static var fetches: [[UInt8]] { [[0x0a, 3, 1, 2, 3], [0x08, 1], [0x08, 2, 0x12, 2, 1, 2], [0x12, 1, 7]] }
}
