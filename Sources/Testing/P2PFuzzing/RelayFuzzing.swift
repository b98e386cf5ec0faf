import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PRelay

/// Messages of relays and of punches: what is read is written and read again as the same, and what is dialled for a stranger is bounded.
enum RelayFuzzing {
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let kind = input.byte()
        let message = input.remainder()
        switch kind % 3 {
        case 0:
            guard let hop = try? HopMessage(message) else { return }
            precondition((try? HopMessage(hop.encoded)) == hop)
        case 1:
            guard let stop = try? StopMessage(message) else { return }
            precondition((try? StopMessage(stop.encoded)) == stop)
        default:
            guard let punch = try? PunchMessage(message) else { return }
            precondition((try? PunchMessage(punch.encoded)) == punch)
            let dialled = PunchAddresses.dialled(punch.addresses, of: FuzzIdentity.peer, except: [])
            precondition(dialled.count <= PunchAddresses.limit && Set(dialled).count == dialled.count)
            precondition(Set(dialled.map(\.ipAddress)).count <= PunchAddresses.hostLimit)
            precondition(dialled.allSatisfy { $0.ipAddress?.reach == .internet && !$0.isRelayed && $0.peerID == nil })
        }
    }

    // MARK: A relay's places and circuits

    private struct Circuit {
        let source: PeerID
        let target: PeerID
        var allowance: CircuitAllowance
    }

    /// Peers take places and circuits, leave and wait as the bytes say: no bound is passed, a circuit leads only to who has a place, and in the end
    /// nothing is remembered.
    static func ledger(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var limits = RelayServiceLimits()
        limits.reservations = 1 + input.number(below: 12)
        limits.reservationsPerAddress = 1 + input.number(below: 4)
        limits.reservationsPerNetwork = 1 + input.number(below: 6)
        limits.circuits = 1 + input.number(below: 8)
        limits.circuitsPerPeer = 1 + input.number(below: 4)
        limits.reservationLifetime = .seconds(60)
        let data = UInt64(input.short())
        var ledger = RelayLedger(limits)
        var now = NIODeadline.uptimeNanoseconds(1)
        // Who has a place, over what, from where, and until when.
        var places: [PeerID: (connection: ConnectionID, address: Int, until: NIODeadline)] = [:]
        var circuits: [Circuit] = []
        while !input.isEmpty {
            let operation = input.byte()
            let peer = Self.peers[Int(operation >> 3) % Self.peers.count]
            places = places.filter { $0.value.until > now }
            switch operation % 8 {
            case 0, 1, 2:
                let connection = ConnectionID()
                let address = input.number(below: Self.addresses.count)
                switch ledger.reserve(for: peer, over: connection, at: Self.addresses[address], now: now) {
                case .granted:
                    places[peer] = (connection, places[peer]?.address ?? address, now.advanced(by: limits.reservationLifetime))
                case .refused(let status):
                    precondition(places[peer] == nil && status == .reservationRefused)
                case .tooOften: precondition(places[peer] != nil, "who has no place is not answered")
                }
            case 3:
                guard let place = places[peer] else { continue }
                ledger.ended { $0 == place.connection }
                places[peer] = nil
            case 4, 5:
                let target = Self.peers[input.number(below: Self.peers.count)]
                switch ledger.begin(from: peer, to: target, now: now) {
                case .success(let connection):
                    precondition(peer != target && places[target]?.connection == connection, "a circuit to who has no place")
                    circuits.append(Circuit(source: peer, target: target, allowance: CircuitAllowance(data)))
                case .failure(let refusal):
                    let expected: RelayStatus =
                        peer == target ? .permissionDenied : places[target] == nil ? .noReservation : .resourceLimitExceeded
                    precondition(refusal.status == expected)
                }
            case 6:
                guard !circuits.isEmpty else { continue }
                let index = input.number(below: circuits.count)
                let room = circuits[index].allowance.room(upTo: input.size())
                circuits[index].allowance.pass(room)
                precondition(circuits[index].allowance.passed <= data, "more bytes than may pass")
                guard room == 0 else { continue }
                let circuit = circuits.remove(at: index)
                ledger.end(from: circuit.source, to: circuit.target)
            default: now = now.advanced(by: .milliseconds(Int64(input.byte()) * 100))
            }
            Self.check(ledger, limits, circuits)
            for (index, address) in Self.addresses.enumerated() where address.ipAddress?.isLoopback == false {
                let living = places.values.filter { $0.until > now && $0.address == index }
                precondition(living.count <= limits.reservationsPerAddress, "too many places for one address")
            }
        }
        for circuit in circuits { ledger.end(from: circuit.source, to: circuit.target) }
        ledger.ended { _ in true }
        precondition(ledger.trackedKeys == 0 && ledger.circuits == 0 && ledger.reservations == 0, "something is remembered")
    }

    private static func check(_ ledger: RelayLedger, _ limits: RelayServiceLimits, _ circuits: [Circuit]) {
        precondition(ledger.reservations <= limits.reservations)
        precondition(ledger.circuits == circuits.count && circuits.count <= limits.circuits)
        for peer in Self.peers {
            precondition(circuits.count { $0.source == peer || $0.target == peer } <= limits.circuitsPerPeer)
        }
    }

    // MARK: A client's places

    /// One place whose relay says what the bytes say, and the choice among relays that come, go, refuse and are measured.
    static func places(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var schedule = ReservationSchedule(seed: UInt64(input.byte()))
        var choice = RelayChoice()
        var kept: PeerID?
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        let connections = [ConnectionID(), ConnectionID()]
        while !input.isEmpty {
            let operation = input.byte()
            let number = Int(operation >> 3) % Self.peers.count
            let peer = Self.peers[number]
            switch operation % 8 {
            case 0:
                // 2^32 s are beyond a day, and 0 is no life.
                let life = TimeAmount.seconds(Int64(input.word()) >> Int64(input.byte() % 32))
                if life > .zero { schedule.granted(for: life, on: connections[number % 2], at: now) }
                if let place = schedule.place { precondition(place.until <= now + ReservationSchedule.longestLife) }
            case 1:
                let failures: [ReservationSchedule.Failure] = [.unreachable, .refused, .denied]
                let failure = failures[input.number(below: 3)]
                schedule.failed(failure, at: now)
                if failure == .denied { precondition(schedule.place == nil) }
                if case .ask = schedule.next(at: now) { preconditionFailure("a relay that failed is asked again at once") }
                choice.failed(peer, failure, at: now)
            case 2:
                let had = schedule.place
                let isOver = schedule.ended(connections[number % 2], at: now)
                precondition(isOver == (had?.connection == connections[number % 2]))
                if isOver { precondition(schedule.place == nil) }
            case 3: choice.found(peer, at: Self.addresses[input.number(below: Self.addresses.count)])
            case 4: choice.gone(peer)
            case 5: choice.measured(peer, roundTrip: .microseconds(Int64(input.short()) * 10))
            case 6: if choice.taken.contains(peer) { choice.held.insert(peer) } else { choice.held.remove(peer) }
            default: now = now + .milliseconds(Int64(input.short()) * 50)
            }
            if case .wait(let until) = schedule.next(at: now) {
                precondition(until > now, "a wait that is over")
                precondition(schedule.place.map { $0.until > now } ?? true, "a place whose time is over")
            }
            Self.settle(&choice, &kept, at: now)
        }
    }

    /// Does what the choice says until it says nothing more.
    private static func settle(_ choice: inout RelayChoice, _ kept: inout PeerID?, at now: NIODeadline) {
        for _ in 0..<100 {
            let before = Set(choice.taken)
            let actions = choice.next(at: now)
            for action in actions {
                switch action {
                case .take(let peer, _): precondition(choice.taken.contains(peer) || before.contains(peer))
                case .drop(let peer): precondition(!choice.held.contains(peer))
                case .keep(let peer):
                    precondition(kept == nil, "two are kept")
                    kept = peer
                case .release(let peer):
                    precondition(kept == peer, "one is released that is not kept")
                    kept = nil
                }
            }
            precondition(Set(choice.taken).count == choice.taken.count && choice.taken.count <= RelayChoice.wanted + 1)
            precondition(choice.spare == kept)
            if actions.isEmpty { return }
        }
        preconditionFailure("the choice does not settle")
    }

    // MARK: Who there is

    static let peers: [PeerID] = (0..<24).compactMap { number in
        try? PeerID(bytes: [0x12, 0x20] + [UInt8](repeating: UInt8(number), count: 32))
    }
    /// Of two networks, and two addresses of one host; loopback is not counted.
    private static let addresses: [Multiaddr] = [
        "/ip4/45.33.0.1/tcp/1", "/ip4/45.33.0.2/udp/2/quic-v1", "/ip4/45.34.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/ip6/2600::1/tcp/1",
        "/ip6/2600:1::1/tcp/1",
    ]
}
