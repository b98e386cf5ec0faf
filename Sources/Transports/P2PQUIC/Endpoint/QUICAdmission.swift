/// Decides whether a client's Initial may become an arrival: limits first, then proof of the address when there is pressure.
struct QUICAdmission: Sendable {
    /// What an Initial says of its client's address.
    enum Proof: Sendable, Hashable {
        /// Nothing.
        case none
        /// It carries a token that we gave to that address a moment ago.
        case validated
        /// It carries a token that looks like ours, and is not good.
        case forged
    }

    enum Verdict: Sendable, Hashable {
        case welcome
        /// Come again with this token (RFC 9000, section 8.1.2).
        case retry
        /// Close at once with a transport error code.
        case refuse(UInt64)
        case ignore
    }

    /// CONNECTION_REFUSED (RFC 9000, section 20.1).
    static let connectionRefused: UInt64 = 0x02
    /// INVALID_TOKEN (RFC 9000, section 20.1).
    static let invalidToken: UInt64 = 0x0b

    let validation: QUICConfiguration.AddressValidation
    let maximumHandshakes: Int
    /// Arrivals and handshakes under way.
    private(set) var handshakes = 0

    init(validation: QUICConfiguration.AddressValidation, maximumHandshakes: Int) {
        self.validation = validation
        self.maximumHandshakes = maximumHandshakes
    }

    func verdict(on proof: Proof) -> Verdict {
        switch proof {
        case .forged: return .refuse(Self.invalidToken)
        case .none where self.mustProve: return .retry
        case .none: return self.handshakes < self.maximumHandshakes ? .welcome : .ignore
        // Whoever has proved the address may be told; the answer can't be turned against somebody else.
        case .validated: return self.handshakes < self.maximumHandshakes ? .welcome : .refuse(Self.connectionRefused)
        }
    }

    private var mustProve: Bool {
        switch self.validation {
        case .always: true
        case .underPressure(let threshold): self.handshakes >= min(threshold, self.maximumHandshakes)
        }
    }

    mutating func began() { self.handshakes += 1 }

    mutating func ended() { self.handshakes = max(0, self.handshakes - 1) }
}
