//! The one vocabulary of quantities. Phase, tariff and kind are columns of their own and never part of a name.
//!
//! A quantity has one unit; a format that sends another one (W, kV) is scaled to it when it is read. Texts and times
//! carry no unit, whatever their quantity. A new quantity is one line here, in the section of its protocol.

use crate::Unit;

macro_rules! quantities {
    ($($variant:ident $name:literal $unit:ident $en:literal $zh:literal;)+) => {
        /// What was measured, set or counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Quantity { $(#[doc = $en] $variant),+ }

        impl Quantity {
            /// Every quantity, in the order of its number.
            pub const ALL: &'static [Quantity] = &[$(Quantity::$variant),+];
            const ROWS: &'static [(&'static str, Unit, &'static str, &'static str)] =
                &[$(($name, Unit::$unit, $en, $zh)),+];
        }
    };
}

quantities! {
    // --- Electrical values and energies: shared by every protocol ---
    Voltage "voltage" V "Voltage" "电压";
    Current "current" A "Current" "电流";
    ActivePower "active_power" Kw "Active power" "有功功率";
    ReactivePower "reactive_power" Kvar "Reactive power" "无功功率";
    ApparentPower "apparent_power" Kva "Apparent power" "视在功率";
    PowerFactor "power_factor" None "Power factor" "功率因数";
    Frequency "frequency" Hz "Frequency" "频率";
    PhaseAngle "phase_angle" Degree "Angle between voltage and current" "相角";
    VoltageAngle "voltage_angle" Degree "Angle of the voltage" "电压相角";
    CurrentAngle "current_angle" Degree "Angle of the current" "电流相角";
    VoltageDistortion "voltage_distortion" Percent "Voltage waveform distortion" "电压波形失真度";
    CurrentDistortion "current_distortion" Percent "Current waveform distortion" "电流波形失真度";
    VoltageHarmonic "voltage_harmonic" Percent "Voltage harmonic content" "电压谐波含量";
    CurrentHarmonic "current_harmonic" Percent "Current harmonic content" "电流谐波含量";
    ActivePowerAverage "active_power_average" Kw "One-minute average active power" "一分钟有功总平均功率";
    ActiveCombined "active_combined" Kwh "Combined active energy" "组合有功电能";
    ActiveImport "active_import" Kwh "Forward active energy" "正向有功电能";
    ActiveExport "active_export" Kwh "Reverse active energy" "反向有功电能";
    ReactiveCombined1 "reactive_combined_1" Kvarh "Combined reactive energy 1" "组合无功1电能";
    ReactiveCombined2 "reactive_combined_2" Kvarh "Combined reactive energy 2" "组合无功2电能";
    ReactiveImport "reactive_import" Kvarh "Forward reactive energy" "正向无功电能";
    ReactiveExport "reactive_export" Kvarh "Reverse reactive energy" "反向无功电能";
    ReactiveQ1 "reactive_q1" Kvarh "Reactive energy, quadrant 1" "第一象限无功电能";
    ReactiveQ2 "reactive_q2" Kvarh "Reactive energy, quadrant 2" "第二象限无功电能";
    ReactiveQ3 "reactive_q3" Kvarh "Reactive energy, quadrant 3" "第三象限无功电能";
    ReactiveQ4 "reactive_q4" Kvarh "Reactive energy, quadrant 4" "第四象限无功电能";
    ApparentImport "apparent_import" Kvah "Forward apparent energy" "正向视在电能";
    ApparentExport "apparent_export" Kvah "Reverse apparent energy" "反向视在电能";
    ActiveAssociated "active_associated" Kwh "Associated active energy" "关联总电能";
    FundamentalImport "fundamental_import" Kwh "Forward active energy of the fundamental" "正向有功基波电能";
    FundamentalExport "fundamental_export" Kwh "Reverse active energy of the fundamental" "反向有功基波电能";
    HarmonicImport "harmonic_import" Kwh "Forward active energy of harmonics" "正向有功谐波电能";
    HarmonicExport "harmonic_export" Kwh "Reverse active energy of harmonics" "反向有功谐波电能";
    CopperLoss "copper_loss" Kwh "Copper loss energy" "铜损有功电能";
    IronLoss "iron_loss" Kwh "Iron loss energy" "铁损有功电能";
    ActiveImportDemand "active_import_demand" Kw "Maximum demand, forward active" "正向有功最大需量";
    ActiveExportDemand "active_export_demand" Kw "Maximum demand, reverse active" "反向有功最大需量";
    ReactiveCombined1Demand "reactive_combined_1_demand" Kvar "Maximum demand, combined reactive 1" "组合无功1最大需量";
    ReactiveCombined2Demand "reactive_combined_2_demand" Kvar "Maximum demand, combined reactive 2" "组合无功2最大需量";
    ReactiveImportDemand "reactive_import_demand" Kvar "Maximum demand, forward reactive" "正向无功最大需量";
    ReactiveExportDemand "reactive_export_demand" Kvar "Maximum demand, reverse reactive" "反向无功最大需量";
    ReactiveQ1Demand "reactive_q1_demand" Kvar "Maximum demand, quadrant 1" "第一象限无功最大需量";
    ReactiveQ2Demand "reactive_q2_demand" Kvar "Maximum demand, quadrant 2" "第二象限无功最大需量";
    ReactiveQ3Demand "reactive_q3_demand" Kvar "Maximum demand, quadrant 3" "第三象限无功最大需量";
    ReactiveQ4Demand "reactive_q4_demand" Kvar "Maximum demand, quadrant 4" "第四象限无功最大需量";
    ApparentImportDemand "apparent_import_demand" Kva "Maximum demand, forward apparent" "正向视在最大需量";
    ApparentExportDemand "apparent_export_demand" Kva "Maximum demand, reverse apparent" "反向视在最大需量";
    ActiveDemand "active_demand" Kw "Present active demand" "当前有功需量";
    ReactiveDemand "reactive_demand" Kvar "Present reactive demand" "当前无功需量";
    ApparentDemand "apparent_demand" Kva "Present apparent demand" "当前视在需量";
    InternalTemperature "internal_temperature" Celsius "Temperature inside the meter" "表内温度";
    ClockBatteryVoltage "clock_battery_voltage" V "Voltage of the clock battery" "时钟电池电压";
    ReadingBatteryVoltage "reading_battery_voltage" V "Voltage of the reading battery" "停电抄表电池电压";
    BatteryWorkingTime "battery_working_time" Minute "Working time of the battery" "内部电池工作时间";
    RemainingEnergy "remaining_energy" Kwh "Remaining energy" "剩余电量";
    OverdraftEnergy "overdraft_energy" Kwh "Overdraft energy" "透支电量";
    RemainingAmount "remaining_amount" Cny "Remaining money" "剩余金额";
    OverdraftAmount "overdraft_amount" Cny "Overdraft money" "透支金额";
    // --- Clock, identity and settings ---
    Clock "clock" None "Date and time" "日期时间";
    Date "date" None "Date" "日期";
    Time "time" None "Time of day" "时间";
    Weekday "weekday" None "Day of the week" "星期";
    MeterAddress "meter_address" None "Meter address" "通信地址";
    MeterNumber "meter_number" None "Meter number" "表号";
    UserNumber "user_number" None "User number" "用户号";
    AssetCode "asset_code" None "Asset code" "资产管理编码";
    RatedVoltage "rated_voltage" V "Rated voltage" "额定电压";
    RatedCurrent "rated_current" A "Rated current" "额定电流";
    MaximumCurrent "maximum_current" A "Maximum current" "最大电流";
    ActiveAccuracy "active_accuracy" None "Active accuracy class" "有功准确度等级";
    ReactiveAccuracy "reactive_accuracy" None "Reactive accuracy class" "无功准确度等级";
    ActiveConstant "active_constant" None "Active meter constant, pulses per kWh" "有功常数";
    ReactiveConstant "reactive_constant" None "Reactive meter constant, pulses per kvarh" "无功常数";
    MeterModel "meter_model" None "Meter model" "电表型号";
    ProductionDate "production_date" None "Date of production" "生产日期";
    ProtocolVersion "protocol_version" None "Protocol version" "协议版本号";
    SoftwareVersion "software_version" None "Software version" "软件版本号";
    HardwareVersion "hardware_version" None "Hardware version" "硬件版本号";
    MakerNumber "maker_number" None "Maker's number" "厂家编号";
    CtRatio "ct_ratio" None "Current transformer ratio" "电流互感器变比";
    PtRatio "pt_ratio" None "Voltage transformer ratio" "电压互感器变比";
    DemandPeriod "demand_period" Minute "Demand period" "最大需量周期";
    DemandSlip "demand_slip" Minute "Demand slip time" "滑差时间";
    PulseWidth "pulse_width" None "Pulse width, ms" "校表脉冲宽度";
    ZoneSwitchTime "zone_switch_time" None "Switch-over time of the zone tables" "两套时区表切换时间";
    SlotSwitchTime "slot_switch_time" None "Switch-over time of the slot tables" "两套日时段表切换时间";
    ZoneCount "zone_count" None "Number of zones" "年时区数";
    DayTableCount "day_table_count" None "Number of day tables" "日时段表数";
    SlotCount "slot_count" None "Number of slots of a day" "日时段数";
    TariffCount "tariff_count" None "Number of tariffs" "费率数";
    HolidayCount "holiday_count" None "Number of holidays" "公共假日数";
    HarmonicOrders "harmonic_orders" None "Number of harmonic orders" "谐波分析次数";
    DisplayScreens "display_screens" None "Screens shown in turn" "自动循环显示屏数";
    DisplaySeconds "display_seconds" Second "Seconds a screen is shown" "每屏显示时间";
    EnergyDecimals "energy_decimals" None "Decimals of energy" "显示电能小数位数";
    PowerDecimals "power_decimals" None "Decimals of power" "显示功率小数位数";
    KeyScreens "key_screens" None "Screens shown by key" "按键循环显示屏数";
    DisplayItem "display_item" None "Displayed item" "显示数据标识";
    ActiveCombination "active_combination" None "Combination word, active" "有功组合方式特征字";
    ReactiveCombination "reactive_combination" None "Combination word, reactive" "无功组合方式特征字";
    RateWord "rate_word" None "Baud rate word" "通信速率特征字";
    BaudRate "baud_rate" None "Baud rate" "通信速率";
    WeekendWord "weekend_word" None "Weekend word" "周休日特征字";
    WeekendTable "weekend_table" None "Day table of the weekend" "周休日时段表号";
    LoadRecordMode "load_record_mode" None "Load record mode word" "负荷记录模式字";
    FreezeMode "freeze_mode" None "Freeze mode word" "冻结数据模式字";
    LoadRecordStart "load_record_start" None "Start of the load record" "负荷记录起始时间";
    LoadRecordInterval "load_record_interval" Minute "Interval of the load record" "负荷记录间隔时间";
    SettlementDay "settlement_day" None "Settlement day" "结算日";
    ActivePowerLimit "active_power_limit" Kw "Limit of active power" "有功功率上限值";
    VoltageUpperLimit "voltage_upper_limit" V "Upper limit of the voltage" "电压上限值";
    VoltageLowerLimit "voltage_lower_limit" V "Lower limit of the voltage" "电压下限值";
    VoltageAssessmentUpper "voltage_assessment_upper" V "Upper limit of voltage assessment" "电压考核上限";
    VoltageAssessmentLower "voltage_assessment_lower" V "Lower limit of voltage assessment" "电压考核下限";
    LineCoefficient "line_coefficient" None "Line coefficient" "线损系数";
    SlotStart "slot_start" None "Start of the slot" "时段起始时间";
    SlotTariff "slot_tariff" None "Tariff of the slot" "时段费率号";
    ZoneStart "zone_start" None "Start of the zone" "时区起始日期";
    ZoneDayTable "zone_day_table" None "Day table of the zone" "时区日时段表号";
    HolidayDate "holiday_date" None "Public holiday" "公共假日";
    HolidayTable "holiday_table" None "Day table of the holiday" "公共假日时段表号";
    ThresholdVoltage "threshold_voltage" V "Threshold, voltage" "电压阈值";
    ThresholdCurrent "threshold_current" A "Threshold, current" "电流阈值";
    ThresholdPower "threshold_power" Kw "Threshold, active power" "功率阈值";
    ThresholdReactivePower "threshold_reactive_power" Kvar "Threshold, reactive power" "无功功率阈值";
    ThresholdRate "threshold_rate" Percent "Threshold, rate" "限值";
    ThresholdPowerFactor "threshold_power_factor" None "Threshold, power factor" "功率因数阈值";
    ThresholdDelay "threshold_delay" Second "Threshold, delay" "判定延时时间";
    ThresholdDelayMin "threshold_delay_min" Minute "Threshold, delay in minutes" "判定延时时间(分)";
    PasswordLevel "password_level" None "Password level" "密码级别";
    Password "password" None "Password" "密码";
    Operator "operator" None "Operator code" "操作者代码";
    Command "command" None "Command" "命令";
    CommandDeadline "command_deadline" None "Command is valid until" "命令有效截止时间";
    BroadcastTime "broadcast_time" None "Broadcast time" "广播校时";
    RecordCount "record_count" None "Number of records" "记录数";
    RecordStart "record_start" None "Records from this time on" "起始时间";
    RecordTime "record_time" None "Time of the record" "记录时间";
    ItemIdentifier "item_identifier" None "Data identifier" "数据标识";
    Error "error" None "Error" "错误信息字";
    Raw "raw" None "Bytes without known layout" "未知数据";
    // --- Status words: one value a bit ---
    StatusWord "status_word" None "Status word" "运行状态字";
    DemandMode "demand_mode" None "Demand mode, 0 sliding 1 interval" "需量积算方式";
    ClockBatteryLow "clock_battery_low" None "Clock battery low" "时钟电池欠压";
    ReadingBatteryLow "reading_battery_low" None "Reading battery low" "停电抄表电池欠压";
    ActiveReversed "active_reversed" None "Active power flows in reverse" "有功功率方向反向";
    ReactiveReversed "reactive_reversed" None "Reactive power flows in reverse" "无功功率方向反向";
    SlotTableInUse "slot_table_in_use" None "Slot table in use, 0 first 1 second" "当前运行时段";
    SupplyMode "supply_mode" None "Supply, 0 mains 1 auxiliary 2 battery" "供电方式";
    ProgrammingAllowed "programming_allowed" None "Programming allowed" "编程允许";
    RelayOpen "relay_open" None "Relay open" "继电器状态";
    ZoneTableInUse "zone_table_in_use" None "Zone table in use, 0 first 1 second" "当前运行时区";
    RelayCommandOpen "relay_command_open" None "Relay commanded to open" "继电器命令状态";
    PreTripAlarm "pre_trip_alarm" None "Alarm before trip" "预跳闸报警状态";
    PrepaidType "prepaid_type" None "Prepaid type, 0 none 1 energy 2 money" "电能表类型";
    VoltageLoss "voltage_loss" None "Voltage loss" "失压";
    UnderVoltage "under_voltage" None "Under-voltage" "欠压";
    OverVoltage "over_voltage" None "Over-voltage" "过压";
    CurrentLoss "current_loss" None "Current loss" "失流";
    OverCurrent "over_current" None "Over-current" "过流";
    Overload "overload" None "Overload" "过载";
    PowerReversal "power_reversal" None "Power reversal" "潮流反向";
    PhaseFailure "phase_failure" None "Phase failure" "断相";
    CurrentBreak "current_break" None "Current break" "断流";
    VoltageSequenceReversed "voltage_sequence_reversed" None "Voltage sequence reversed" "电压逆相序";
    CurrentSequenceReversed "current_sequence_reversed" None "Current sequence reversed" "电流逆相序";
    VoltageUnbalance "voltage_unbalance" None "Voltage unbalance" "电压不平衡";
    CurrentUnbalance "current_unbalance" None "Current unbalance" "电流不平衡";
    AuxiliarySupplyLost "auxiliary_supply_lost" None "Auxiliary supply lost" "辅助电源失电";
    PowerDown "power_down" None "Power down" "掉电";
    DemandOverLimit "demand_over_limit" None "Demand over limit" "需量超限";
    PowerFactorLow "power_factor_low" None "Total power factor below limit" "总功率因数超下限";
    SevereCurrentUnbalance "severe_current_unbalance" None "Severe current unbalance" "电流严重不平衡";
    AllVoltageLost "all_voltage_lost" None "All voltages lost" "全失压";
    // --- Events and statistics ---
    EventCount "event_count" None "Number of events" "事件次数";
    EventTime "event_time" Minute "Time of events" "事件累计时间";
    EventAt "event_at" None "Time of the event" "发生时刻";
    EventStart "event_start" None "Start of the event" "事件发生时刻";
    EventEnd "event_end" None "End of the event" "事件结束时刻";
    AllVoltageLossCount "all_voltage_loss_count" None "All voltages lost, count" "全失压次数";
    AllVoltageLossTime "all_voltage_loss_time" Minute "All voltages lost, time" "全失压累计时间";
    AuxiliaryLossCount "auxiliary_loss_count" None "Auxiliary supply lost, count" "辅助电源失电次数";
    AuxiliaryLossTime "auxiliary_loss_time" Minute "Auxiliary supply lost, time" "辅助电源失电累计时间";
    VoltageLossCount "voltage_loss_count" None "Voltage loss, count" "失压次数";
    VoltageLossTime "voltage_loss_time" Minute "Voltage loss, time" "失压累计时间";
    UnderVoltageCount "under_voltage_count" None "Under-voltage, count" "欠压次数";
    UnderVoltageTime "under_voltage_time" Minute "Under-voltage, time" "欠压累计时间";
    OverVoltageCount "over_voltage_count" None "Over-voltage, count" "过压次数";
    OverVoltageTime "over_voltage_time" Minute "Over-voltage, time" "过压累计时间";
    PhaseFailureCount "phase_failure_count" None "Phase failure, count" "断相次数";
    PhaseFailureTime "phase_failure_time" Minute "Phase failure, time" "断相累计时间";
    VoltageSequenceCount "voltage_sequence_count" None "Voltage sequence reversed, count" "电压逆相序次数";
    VoltageSequenceTime "voltage_sequence_time" Minute "Voltage sequence reversed, time" "电压逆相序累计时间";
    CurrentSequenceCount "current_sequence_count" None "Current sequence reversed, count" "电流逆相序次数";
    CurrentSequenceTime "current_sequence_time" Minute "Current sequence reversed, time" "电流逆相序累计时间";
    VoltageUnbalanceCount "voltage_unbalance_count" None "Voltage unbalance, count" "电压不平衡次数";
    VoltageUnbalanceTime "voltage_unbalance_time" Minute "Voltage unbalance, time" "电压不平衡累计时间";
    CurrentUnbalanceCount "current_unbalance_count" None "Current unbalance, count" "电流不平衡次数";
    CurrentUnbalanceTime "current_unbalance_time" Minute "Current unbalance, time" "电流不平衡累计时间";
    SevereUnbalanceCount "severe_unbalance_count" None "Severe current unbalance, count" "电流严重不平衡次数";
    SevereUnbalanceTime "severe_unbalance_time" Minute "Severe current unbalance, time" "电流严重不平衡累计时间";
    CurrentLossCount "current_loss_count" None "Current loss, count" "失流次数";
    CurrentLossTime "current_loss_time" Minute "Current loss, time" "失流累计时间";
    OverCurrentCount "over_current_count" None "Over-current, count" "过流次数";
    OverCurrentTime "over_current_time" Minute "Over-current, time" "过流累计时间";
    CurrentBreakCount "current_break_count" None "Current break, count" "断流次数";
    CurrentBreakTime "current_break_time" Minute "Current break, time" "断流累计时间";
    PowerReversalCount "power_reversal_count" None "Power reversal, count" "潮流反向次数";
    PowerReversalTime "power_reversal_time" Minute "Power reversal, time" "潮流反向累计时间";
    OverloadCount "overload_count" None "Overload, count" "过载次数";
    OverloadTime "overload_time" Minute "Overload, time" "过载累计时间";
    PowerDownCount "power_down_count" None "Power down, count" "掉电次数";
    DemandOverCount "demand_over_count" None "Demand over limit, count" "需量超限次数";
    ProgrammingCount "programming_count" None "Programming, count" "编程次数";
    MeterClearCount "meter_clear_count" None "Meter cleared, count" "电表清零次数";
    DemandClearCount "demand_clear_count" None "Demand cleared, count" "需量清零次数";
    EventClearCount "event_clear_count" None "Events cleared, count" "事件清零次数";
    ClockSetCount "clock_set_count" None "Clock set, count" "校时次数";
    SlotProgrammingCount "slot_programming_count" None "Slot table programmed, count" "时段表编程次数";
    ZoneProgrammingCount "zone_programming_count" None "Zone table programmed, count" "时区表编程次数";
    WeekendProgrammingCount "weekend_programming_count" None "Weekend programmed, count" "周休日编程次数";
    HolidayProgrammingCount "holiday_programming_count" None "Holidays programmed, count" "节假日编程次数";
    CombinationProgrammingCount "combination_programming_count" None "Combination word programmed, count" "组合方式编程次数";
    SettlementProgrammingCount "settlement_programming_count" None "Settlement day programmed, count" "结算日编程次数";
    CoverOpenCount "cover_open_count" None "Cover opened, count" "开表盖次数";
    TerminalCoverOpenCount "terminal_cover_open_count" None "Terminal cover opened, count" "开端钮盒次数";
    TripCount "trip_count" None "Trip, count" "跳闸次数";
    CloseCount "close_count" None "Close, count" "合闸次数";
    ClockBefore "clock_before" None "Clock before" "校时前时间";
    ClockAfter "clock_after" None "Clock after" "校时后时间";
    UnbalanceRate "unbalance_rate" Percent "Greatest unbalance" "最大不平衡率";
    AmpereHours "ampere_hours" None "Ampere-hours" "安时数";
    VoltageMonitoredTime "voltage_monitored_time" Minute "Monitored time of the voltage" "电压监测时间";
    VoltageComplianceRate "voltage_compliance_rate" Percent "Voltage compliance rate" "电压合格率";
    VoltageOverLimitRate "voltage_over_limit_rate" Percent "Voltage over-limit rate" "电压超限率";
    VoltageOverTime "voltage_over_time" Minute "Time over the upper limit" "电压超上限时间";
    VoltageUnderTime "voltage_under_time" Minute "Time under the lower limit" "电压超下限时间";
    VoltageMaximum "voltage_maximum" V "Highest voltage" "最高电压";
    VoltageMinimum "voltage_minimum" V "Lowest voltage" "最低电压";
    FreezeTime "freeze_time" None "Time of the freeze" "冻结时间";
    FreezeCommand "freeze_command" None "Freeze command" "冻结命令";
    // --- DL/T 645-1997 ---
    // (rows of this protocol's own quantities)

    // --- Q/GDW 1376.1 ---
    // (rows of this protocol's own quantities)

    // --- DL/T 698.45 ---
    // (rows of this protocol's own quantities)

    // --- Modbus ---
    // (rows of this protocol's own quantities)

}

impl Quantity {
    /// The published name.
    pub const fn as_str(self) -> &'static str {
        Self::ROWS[self as usize].0
    }

    /// The unit of its numbers.
    pub const fn unit(self) -> Unit {
        Self::ROWS[self as usize].1
    }

    /// What people call it in English.
    pub const fn en(self) -> &'static str {
        Self::ROWS[self as usize].2
    }

    /// What people call it in Chinese.
    pub const fn zh(self) -> &'static str {
        Self::ROWS[self as usize].3
    }

    /// The quantity of this name.
    pub fn by_name(name: &str) -> Option<Quantity> {
        Self::ALL.iter().copied().find(|q| q.as_str() == name)
    }

    /// The name that a misspelt one comes nearest to, for error messages.
    pub fn nearest(name: &str) -> &'static str {
        Self::ROWS.iter().map(|row| row.0).min_by_key(|known| distance(name, known)).unwrap_or("")
    }
}

/// Edits between two short ASCII words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let up = row[j + 1];
            row[j + 1] = (corner + usize::from(x != y)).min(up + 1).min(row[j] + 1);
            corner = up;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_plain() {
        let mut seen = std::collections::HashSet::new();
        for q in Quantity::ALL {
            assert!(seen.insert(q.as_str()), "{} twice", q.as_str());
            assert!(q.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert_eq!(Quantity::by_name(q.as_str()), Some(*q));
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        assert_eq!(Quantity::nearest("volage"), "voltage");
    }
}
