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

    /// Peers register, go, discover and wait as the bytes say: bounds hold, whoever follows the cookies is told each registration that lives once.
    static func point(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var store = RegistrationStore(perPeer: 3, limit: 12)
        var now = NIODeadline.uptimeNanoseconds(1)
        var cookies: [String: [UInt8]] = [:]
        var alive: [String: NIODeadline] = [:]
        while !input.isEmpty {
            let operation = input.byte()
            let namespace = ["a", "b", "c", "d", ""][input.number(below: 5)]
            let request: RendezvousMessage
            switch operation % 4 {
            case 0:
                request = .register(
                    WireRegistration(namespace: namespace, record: FuzzTarget.envelope, timeToLive: UInt64(input.byte()) * 60))
            case 1: request = .unregister(namespace: namespace)
            case 2: request = .discover(namespace: namespace, limit: UInt64(1 + input.number(below: 4)), cookie: cookies[namespace] ?? [])
            default:
                now = now.advanced(by: .seconds(Int64(input.byte()) * 20))
                continue
            }
            let answer: RendezvousMessage?
            do throws(StreamError) {
                answer = try store.answer(request, from: FuzzIdentity.peer, at: now)
            } catch {
                preconditionFailure("an ordinary request is refused: \(error)")
            }
            switch (request, answer) {
            case (.register(let registration), .registered(let status, _, let timeToLive)?):
                if status == .ok { alive[registration.namespace] = now.advanced(by: .seconds(Int64(timeToLive))) }
            case (.unregister, nil): alive[namespace] = nil
            case (.discover, .discovered(let found, let cookie, let status, _)?):
                precondition(status == .ok)
                cookies[namespace] = cookie
                for registration in found {
                    precondition(namespace.isEmpty || registration.namespace == namespace)
                    precondition(alive[registration.namespace].map { $0 > now } ?? false, "what is over is told")
                }
            default: preconditionFailure("an answer to something else")
            }
            precondition(store.count <= 3)
            if case .discovered(let all, _, _, _)? = try? store.answer(
                .discover(namespace: nil, limit: nil, cookie: []), from: FuzzIdentity.peer, at: now)
            {
                precondition(Set(all.map(\.namespace)) == Set(alive.filter { $0.value > now }.keys), "not all that live are told")
            }
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
